"""Where two sets of templates differ, as they are written.

Mappings are compared key by key; a list, a function (`Ref`, `Fn::...`) and anything else is one
value. Lists whose order AWS does not look at are compared as sets: an order that changed is none
of the differences.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import takewhile
from marshal import dumps
from typing import Any, Final, TypeVar

from ultracluster.registry.schemas import Schema, any_schema
from ultracluster.review.tables import NAMES
from ultracluster.templates.resolved import Encoded, Link, ResolvedResource, Text, Variant
from ultracluster.templates.resolved_values import links

Path = tuple[str, ...]
T = TypeVar("T")

_WRITTEN: Final = json.JSONEncoder(sort_keys=True, default=str).encode
_BY_VALUE: Final = 2
"""The last of marshal's formats in which what is one object twice is written twice."""
SETS: Final = frozenset(NAMES["sets"])
POLICIES: Final = frozenset(NAMES["policies"])


def dotted(path: Path) -> str:
    """Return a path as a property is named; a full stop within a key is escaped."""
    return ".".join(part.replace(".", "\\.") for part in path)


def related(one: Path, other: Path) -> bool:
    """Whether one path is the other, or leads to it."""
    depth = min(len(one), len(other))
    return one[:depth] == other[:depth]


def without_common_ends(before: Sequence[T], after: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Return two sequences without what both begin with, and without what both end with."""
    for _ in range(2):
        same = common_start(before, after)
        before, after = before[same:][::-1], after[same:][::-1]
    return before, after


def common_start(before: Sequence[T], after: Sequence[T]) -> int:
    """Return how many items two sequences have in common before the first that differs."""
    pairs = zip(before, after, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def is_function(value: Any) -> bool:
    if not (isinstance(value, Mapping) and len(value) == 1):
        return False
    name = next(iter(value))
    return isinstance(name, str) and (name == "Ref" or name.startswith("Fn::"))


def of_resources(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[Path, Any, Any]]:
    """Yield what differs between two resources, of the properties first, as `between` does."""
    if same_text(before, after):
        return
    old, new = (body.get("Properties") or {} for body in (before, after))
    yield from between(old, new, any_schema(str(after.get("Type"))))
    for name in dict.fromkeys([*NAMES["attributes"], *sorted({*before, *after} - {"Properties"})]):
        was, now = before.get(name), after.get(name)
        if canonical(was, name) != canonical(now, name):
            yield (f"@{name}",), was, now


def same_text(before: Any, after: Any) -> bool:
    """Whether two values are written alike to the letter; `==` would take 1 for true."""
    return dumps(before, _BY_VALUE) == dumps(after, _BY_VALUE)


def between(old: Any, new: Any, schema: Schema | None = None) -> Iterator[tuple[Path, Any, Any]]:
    """Yield the path of each difference between two values, with both values."""
    # Not recursive: a template may be nested deeper than Python calls.
    left: list[tuple[Path, Any, Any]] = [((), old, new)]
    while left:
        path, was, now = left.pop()
        if _descends(was) and _descends(now):
            keys = sorted({*was, *now}, key=str, reverse=True)
            left.extend(((*path, str(key)), was.get(key), now.get(key)) for key in keys)
        elif not _same(was, now, path, schema):
            yield path, was, now


def _same(was: Any, now: Any, path: Path, schema: Schema | None) -> bool:
    if isinstance(was, str) and isinstance(now, str):
        return was == now
    return same_text(was, now) or _canonical(was, path, schema) == _canonical(now, path, schema)


def _descends(value: Any) -> bool:
    return isinstance(value, Mapping) and not is_function(value)


def canonical(value: Any, name: str = "") -> str:
    """Return a value as text in which sets are sorted; equal texts are equal values."""
    return _canonical(value, (name,), None)


def _canonical(value: Any, path: Path, schema: Schema | None) -> str:
    if isinstance(value, str | int | float | bool | None):
        return json.dumps(value)
    try:
        return _WRITTEN(_sorted(value, path, schema))
    except RecursionError:
        return repr(value)


def _sorted(value: Any, path: Path, schema: Schema | None) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if is_function(value):
            return value
        return {str(key): _sorted(inner, (*path, str(key)), schema) for key, inner in value.items()}
    if not isinstance(value, list | tuple):
        return value
    items = [_sorted(item, (*path, "*"), schema) for item in value]
    if not unordered(path, schema):
        return items
    return sorted(items, key=_WRITTEN)


def unordered(path: Path, schema: Schema | None) -> bool:
    """Whether a list at a path is a set: by the schema's `insertionOrder`, or by our knowledge."""
    named = [part for part in path if part != "*"]
    if any(part in POLICIES for part in named) or (named and named[-1] in SETS):
        return True
    return schema is not None and _schema_node(schema, path).get("insertionOrder") is False


def _schema_node(schema: Schema, path: Path) -> Mapping[str, Any]:
    node: Mapping[str, Any] = schema.document
    for part in path:
        node = schema.resolved(node)
        node = node.get("items", {}) if part == "*" else node.get("properties", {}).get(part, {})
    return schema.resolved(node)


OWN: Final[Mapping[str, frozenset[str]]] = {
    # Its identifier is called Id, and CDK and most templates write GroupId for the same value.
    "AWS::EC2::SecurityGroup": frozenset({"GroupId", "Id"})
}
"""Attributes that have the value of `Ref` though the schema has another name for its identifier."""
BY_NAME: Final = "VpcId"
"""Without it a security group is one of the default VPC, and `Ref` gives its name."""

Types = Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]]
"""Type and properties of each resource by stack and logical id."""


def alike(variants: Iterable[Variant]) -> Iterator[Variant]:
    """Yield variants in which every reference to a resource's own identifier is a `Ref`.

    `Ref` gives the primary identifier of a type (CloudFormation CLI guide, resource type schema,
    primaryIdentifier). Where that is several properties, attributes are left as they are. What
    variants share they share afterwards as well.
    """
    known: dict[tuple[int, tuple[Link, ...]], ResolvedResource] = {}

    def written(resource: ResolvedResource, types: Types) -> ResolvedResource:
        stated = tuple(link for link in links(resource.properties) if link.attribute is not None)
        own = tuple(_own(link, types) for link in stated)
        if own == stated:
            return resource
        if (id(resource), own) not in known:
            properties = value_alike(dict(resource.properties), types)
            known[id(resource), own] = replace(resource, properties=properties)
        return known[id(resource), own]

    for variant in variants:
        types = types_of([variant])
        yield replace(variant, resources=tuple(written(r, types) for r in variant.resources))


def types_of(variants: Iterable[Variant]) -> Types:
    """Return what must be known of the resources that values refer to."""
    return {
        r.place.key: (r.resource_type, r.properties) for each in variants for r in each.resources
    }


def value_alike(value: Any, types: Types) -> Any:
    """Return a resolved value in which every reference to a resource itself is a `Ref`."""
    if isinstance(value, str):  # most are
        return value
    if isinstance(value, Link):
        return _own(value, types)
    if isinstance(value, Text):
        return Text(tuple(value_alike(part, types) for part in value.parts))
    if isinstance(value, Encoded):
        return Encoded(value_alike(value.content, types))
    if isinstance(value, dict):
        return {name: value_alike(inner, types) for name, inner in value.items()}
    return [value_alike(item, types) for item in value] if isinstance(value, list) else value


def _own(link: Link, types: Types) -> Link:
    if link.attribute is None:
        return link
    kind, properties = types.get(link.key, ("", {}))
    if kind in OWN and BY_NAME not in properties:
        return link
    if not kind or link.attribute not in _identifiers(kind):
        return link
    return Link(link.stack, link.logical_id)


@cache
def _identifiers(resource_type: str) -> frozenset[str]:
    found = any_schema(resource_type)
    names = found.primary_identifier if found else ()
    return OWN.get(resource_type, frozenset()) | (frozenset(names) if len(names) == 1 else set())
