"""Two sets of templates: which resource of one is which of the other, variant by variant.

CloudFormation knows a resource by its stack and logical id: under another of either it makes a new
one and removes the old one, whatever else is equal.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

from ultracluster.model.model import Model
from ultracluster.registry.schemas import Schema, any_schema, at, schema
from ultracluster.review.changes.change import Danger, Difference, Key
from ultracluster.review.changes.difference import Path, alike, canonical, related
from ultracluster.review.naming import Names, named
from ultracluster.review.resolved import ResolvedTemplates, differs
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import Key as PolicyKey
from ultracluster.templates.scope import mapping, section

ALIKE: Final = 0.6
"""Share of equal properties from which two resources of one type are taken for one that was
renamed, where nothing speaks for another."""
MOST_COMPARED: Final = 40_000
"""Pairs of resources that are compared property by property; of more, those of one construct are
found alone."""


TEXT: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
"""A text of JSON, as a whole."""


class Pairing(NamedTuple):
    """Every resource of both sets once."""

    same: list[Key]
    renamed: list[tuple[Key, Key]]
    removed: list[Key]
    added: list[Key]


@dataclass(frozen=True, eq=False)
class VariantPair:
    """Variants of both sets, whose choices agree as far as they can."""

    old: Model
    new: Model
    replaced: dict[Key, Difference] = field(default_factory=dict)
    """New keys of what is another resource afterwards, each with the change that replaces it."""

    @cached_property
    def names(self) -> Names:
        """Names of the resources, those of afterwards first."""
        return Names([*self.old.resources, *self.new.resources])

    @cached_property
    def owners(self) -> Mapping[PolicyKey, Mapping[PolicyKey, None]]:
        """Who has the statements of each resource, before or after."""
        found: dict[PolicyKey, dict[PolicyKey, None]] = {}
        for statement in (*self.old.statements, *self.new.statements):
            found.setdefault(statement.place.key, {}).update(dict.fromkeys(statement.owners))
        return found


@dataclass(frozen=True, eq=False)
class Update:
    """What an update starts from and leads to."""

    before: ResolvedTemplates
    after: ResolvedTemplates
    pairing: Pairing
    pairs: tuple[VariantPair, ...]

    @cached_property
    def added(self) -> frozenset[Key]:
        return frozenset(self.pairing.added)


def update(before: ResolvedTemplates, after: ResolvedTemplates) -> Update:
    """Return two sets of templates with what each resource of one is in the other."""
    kept: dict[tuple[str, int], Any] = {}
    old, new = ([Model(v, kept) for v in alike(each.variants)] for each in (before, after))
    pairs = [VariantPair(_nearest(each, old), each) for each in new]
    left = [each for each in old if all(each is not pair.old for pair in pairs)]
    pairs += [VariantPair(each, _nearest(each, new)) for each in left]
    return Update(before, after, paired(before.bodies, after.bodies), tuple(pairs))


def _nearest(one: Model, others: Sequence[Model]) -> Model:
    """Return the variant whose choices contradict those of another the least."""

    def contradictions(other: Model) -> int:
        mine, its = one.variant.choices, other.variant.choices
        return sum(name in its and mine[name] is not its[name] for name in mine)

    return min(others, key=contradictions)


def paired(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Pairing:
    old, new = _entries(before), _entries(after)
    gone = {key: body for key, body in old.items() if key not in new}
    come = {key: body for key, body in new.items() if key not in old}
    renamed = list(_renames(gone, come)) if gone and come else []
    same = [key for key in old if key in new]
    for before_key, after_key in renamed:
        del gone[before_key], come[after_key]
    return Pairing(same, renamed, list(gone), list(come))


def _entries(templates: Mapping[str, Mapping[str, Any]]) -> dict[Key, Any]:
    return {
        (stack, str(logical_id)): body
        for stack, template in templates.items()
        for logical_id, body in section(template, "Resources").items()
    }


def _renames(gone: dict[Key, Any], come: dict[Key, Any]) -> Iterator[tuple[Key, Key]]:
    left, right = dict(gone), dict(come)
    by_path = {_path(body): key for key, body in come.items() if _path(body)}
    for old, body in gone.items():
        new = by_path.pop(_path(body), None)
        if new is not None:
            del left[old], right[new]
            yield old, new
    # What refers to a resource that has another name now is the same reference.
    others = [*gone.items(), *come.items()]
    names = {json.dumps(key[1]): json.dumps(f"\ue000{_type(body)}") for key, body in others}
    yield from _alike(left, right, names)


def _alike(
    left: dict[Key, Any], right: dict[Key, Any], names: Mapping[str, str]
) -> Iterator[tuple[Key, Key]]:
    """Yield pairs of one type whose properties are much the same, the most equal first."""
    if len(left) * len(right) > MOST_COMPARED:
        return
    ours, theirs = (
        {key: _leaves(body, names) for key, body in entries.items()} for entries in (left, right)
    )
    scored = sorted(
        (
            -len(ours[old] & theirs[new]) / len(ours[old] | theirs[new] or {0}),
            old[0] != new[0],
            old,
            new,
        )
        for old in left
        for new in right
        if _type(left[old]) == _type(right[new])
    )
    for score, _, old, new in scored:
        if -score >= ALIKE and old in left and new in right:
            del left[old], right[new]
            yield old, new


def _leaves(body: Any, names: Mapping[str, str]) -> frozenset[str]:
    own = section(mapping(body), "Properties").items()
    return frozenset(
        TEXT.sub(lambda text: names.get(text[0], text[0]), f"{name}={canonical(value, str(name))}")
        for name, value in own
        if name != "Tags"
    )


def _path(body: Any) -> tuple[str, str] | None:
    path = section(mapping(body), "Metadata").get("aws:cdk:path")
    return (_type(body), path) if isinstance(path, str) else None


def _type(body: Any) -> str:
    return str(mapping(body).get("Type"))


ANY: Final = "*"


class Effect(NamedTuple):
    """One thing that a change does."""

    danger: Danger
    what: str
    why: str
    instead: str = ""
    new_id: bool = False
    """Whether the resource gets another id, which others follow."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One thing that changes about a resource, with what is resolved before and after."""

    update: Update
    pair: VariantPair
    old_key: Key | None
    new_key: Key | None
    path: Path = ()
    """Empty where the whole resource came, went or was renamed; `("@DeletionPolicy",)` and the
    like for what stands beside the properties."""
    follows: bool = False
    """Whether the templates are equal here, and the change follows from another."""

    @property
    def old(self) -> ResolvedResource | None:
        return self.pair.old.at(self.old_key) if self.old_key else None

    @property
    def new(self) -> ResolvedResource | None:
        return self.pair.new.at(self.new_key) if self.new_key else None

    @property
    def resource(self) -> ResolvedResource:
        """The resource, as it will be where it is still there."""
        found = self.new or self.old
        assert found is not None  # noqa: S101  (an edit without either is never made)
        return found

    @property
    def former(self) -> ResolvedResource:
        """The resource, as it was where it was there already."""
        return self.old or self.resource

    @property
    def type(self) -> str:
        return self.resource.resource_type

    @property
    def name(self) -> str:
        return named(self.resource)

    @property
    def was(self) -> Any:
        return self.both(*self.path)[0]

    @property
    def now(self) -> Any:
        return self.both(*self.path)[1]

    @property
    def region(self) -> str | None:
        """Where the resource goes; None where that is not known."""
        found = self.update.after.region or self.pair.new.variant.region
        return found if isinstance(found, str) else None

    @property
    def schema(self) -> Schema | None:
        """What the registry says of the type, in the stack's Region where it is known."""
        found = schema(self.type, self.region) if self.region else None
        return found or any_schema(self.type)

    def touches(self, *path: str) -> bool:
        """Whether the change is at a path, below it or above it."""
        return related(self.path, path)

    def both(self, *path: str) -> tuple[Any, Any]:
        """Return the resolved values at another path of the resource, before and after."""
        return (
            at(self.old.properties, path) if self.old else None,
            at(self.new.properties, path) if self.new else None,
        )

    def differs(self, *path: str) -> bool:
        """Whether the resolved values at a path differ, as far as is known."""
        return differs(*self.both(*path))


Rule = Callable[[Edit], Iterable[Effect]]
When = Literal["changed", "added", "removed"]

_RULES: Final[dict[tuple[When, str], list[Rule]]] = {}


def when(happens: When, *types: str) -> Callable[[Rule], Rule]:
    """Register a rule over resources, or their properties, of some types or of `ANY`."""

    def register(rule: Rule) -> Rule:
        for name in types:
            _RULES.setdefault((happens, name), []).append(rule)
        return rule

    return register


def effects(happens: When, edit: Edit) -> list[Effect]:
    rules = [*_RULES.get((happens, edit.type), ()), *_RULES.get((happens, ANY), ())]
    return [effect for rule in rules for effect in rule(edit)]
