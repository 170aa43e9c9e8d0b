"""AWS's CloudFormation registry, as cfn-lint 1.58.0 ships it for every Region.

A registry schema says which properties a type has, which of them identify it (`Ref`), which can
only be read (`Fn::GetAtt`), and which replace the resource when they change. Of some types it
leaves out replacements that AWS's resource reference states: `facts/replacements.py` derives those.

The files are read directly, because importing `cfnlint` itself takes longer than all of them, and
one by one, because all of them take seconds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

NOT_A_REGION: Final = "sam"
"""cfn-lint keeps the SAM types beside the Regions, in a file of the same form."""

DOCUMENTED: Final = Path(__file__).parent / "replacements.json"
"""Replacements that the reference states and the schemas leave out; `facts/replacements.py`."""


@dataclass(frozen=True, eq=False)
class Schema:
    """The registry schema of one resource type in one Region."""

    type_name: str
    document: Mapping[str, Any]

    @cached_property
    def primary_identifier(self) -> tuple[str, ...]:
        """Names of the properties whose values make up the physical id."""
        return tuple(".".join(path) for path in self._pointers("primaryIdentifier"))

    @cached_property
    def read_only(self) -> tuple[str, ...]:
        """Attribute names for `Fn::GetAtt`; members of lists have none."""
        return tuple(
            ".".join(path) for path in self._pointers("readOnlyProperties") if "*" not in path
        )

    @cached_property
    def create_only(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the properties whose change needs a new resource."""
        return (*self._pointers("createOnlyProperties"), *self.documented)

    @cached_property
    def documented(self) -> tuple[tuple[str, ...], ...]:
        """Those of `create_only` that AWS's reference says and the schema leaves out."""
        return tuple(_documented().get(self.type_name, {}).get("always", ()))

    @cached_property
    def conditional_create_only(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the properties of which some changes need a new resource and others do not."""
        more = _documented().get(self.type_name, {}).get("sometimes", ())
        return (*self._pointers("conditionalCreateOnlyProperties"), *more)

    @cached_property
    def custom_name(self) -> str | None:
        """The property with which a template can name the resource, if it has one."""
        more = (each for some in self.document.get("additionalIdentifiers", ()) for each in some)
        identifiers = {"Name", *self.primary_identifier, *(each.split("/")[-1] for each in more)}
        for name, *rest in self.create_only:
            named = name.endswith("Name") and self.node(name).get("type") == "string"
            if not rest and named and name in identifiers:
                return name
        return None

    @cached_property
    def tags(self) -> tuple[str, str] | None:
        """The property that holds tags and its shape ("list" or "map"), where stacks tag it."""
        tagging = self.document.get("tagging") or {}
        pointer = str(tagging.get("tagProperty", "/properties/Tags")).split("/")[2:]
        if not tagging.get("cloudFormationSystemTags") or len(pointer) != 1:
            return None
        node = self.node(pointer[0])
        kind = "object" if "patternProperties" in node else str(node.get("type"))
        shape = {"array": "list", "object": "map"}.get(kind)
        return (pointer[0], shape) if shape else None

    def node(self, path: str) -> Mapping[str, Any]:
        """Return the schema of a property by its dotted path, references followed."""
        node: Mapping[str, Any] = self.document
        for part in path.split("."):
            node = self.resolved(node).get("properties", {}).get(part, {})
        return self.resolved(node)

    def resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for part in str(node["$ref"]).removeprefix("#/").split("/"):
                target = target.get(part, {})
            node = target
        return node

    def _pointers(self, key: str) -> Iterator[tuple[str, ...]]:
        for pointer in self.document.get(key, ()):
            yield tuple(pointer.split("/")[2:])


@cache
def _root() -> Path:
    package = find_spec("cfnlint")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("cfn-lint, which carries the registry schemas, is not installed")
    return Path(package.origin).parent / "data" / "schemas"


@cache
def regions() -> tuple[str, ...]:
    names = sorted(path.stem for path in (_root() / "providers").glob("*.json"))
    return tuple(name for name in names if name != NOT_A_REGION)


@cache
def _registry(region: str) -> Mapping[str, str]:
    path = _root() / "providers" / f"{region}.json"
    entries: dict[str, str] = json.loads(path.read_text("utf-8")) if region in regions() else {}
    return entries


@cache
def all_types() -> frozenset[str]:
    """Return every type that some Region's registry has."""
    return frozenset().union(*(_registry(region) for region in regions()))


def types(region: str) -> frozenset[str]:
    """Return the types that a Region's registry has."""
    return frozenset(_registry(region))


@cache
def stateful_types() -> frozenset[str]:
    """Return the types whose deletion deletes data, by cfn-lint's list.

    A nested stack is on it; what is in one stands in its own template.
    """
    path = _root().parent / "AdditionalSpecs" / "StatefulResources.json"
    listed = json.loads(path.read_text("utf-8"))["ResourceTypes"]
    return frozenset(listed) - {"AWS::CloudFormation::Stack"}


def schema(type_name: str, region: str) -> Schema | None:
    """Return the schema of a type in a Region; None where the Region does not have it."""
    file_name = _registry(region).get(type_name)
    return None if file_name is None else _schema(type_name, file_name)


def any_schema(type_name: str) -> Schema | None:
    """Return the schema of a type in the first Region that has it."""
    found = (schema(type_name, region) for region in ("us-east-1", *regions()))
    return next((each for each in found if each is not None), None)


@cache
def _schema(type_name: str, file_name: str) -> Schema:
    document = json.loads((_root() / "resources" / f"{file_name}.json").read_text("utf-8"))
    return Schema(type_name, document)


@cache
def _documented() -> Mapping[str, Mapping[str, list[tuple[str, ...]]]]:
    entries: dict[str, dict[str, list[str]]]
    entries = json.loads(DOCUMENTED.read_text("utf-8"))["replacements"]
    return {
        name: {kind: [tuple(path.split("/")) for path in paths] for kind, paths in kinds.items()}
        for name, kinds in entries.items()
    }


def replaced_by(
    type_name: str, old: Mapping[str, Any], new: Mapping[str, Any], region: str
) -> list[str]:
    """Return the dotted paths of the create-only properties that differ."""
    found = schema(type_name, region)
    paths = found.create_only if found else ()
    return [".".join(path) for path in paths if at(old, path) != at(new, path)]


def at(value: Any, path: Sequence[str]) -> Any:
    """Return what lies at a path of a value, for `*` of every item of a list."""
    for index, part in enumerate(path):
        if part == "*":
            rest = path[index + 1 :]
            return [at(item, rest) for item in value] if isinstance(value, list) else None
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
