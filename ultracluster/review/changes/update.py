"""Two sets of templates: which resource of one is which of the other, variant by variant.

CloudFormation knows a resource by its stack and logical id: under another of either it makes a new
one and removes the old one, whatever else is equal.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.review.changes.change import Difference, Key
from ultracluster.review.changes.difference import alike, canonical
from ultracluster.review.naming import Names
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.templates.resolved_values import Key as PolicyKey
from ultracluster.templates.scope import mapping, section

ALIKE: Final = 0.6
"""Share of equal properties from which two resources of one type are taken for one that was
renamed, where nothing speaks for another."""
MOST_COMPARED: Final = 40_000
"""Pairs of resources that are compared property by property; of more, those of one construct are
found alone."""


@dataclass(frozen=True)
class Pairing:
    """Every resource of both sets once."""

    same: tuple[Key, ...]
    renamed: tuple[tuple[Key, Key], ...]
    removed: tuple[Key, ...]
    added: tuple[Key, ...]


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


def update(before: ResolvedTemplates, after: ResolvedTemplates) -> Update:
    """Return two sets of templates with what each resource of one is in the other."""
    old, new = ([Model(alike(v)) for v in each.variants] for each in (before, after))
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
    same = tuple(key for key in old if key in new)
    gone = {key: body for key, body in old.items() if key not in new}
    come = {key: body for key, body in new.items() if key not in old}
    renamed = tuple(_renames(gone, come)) if gone and come else ()
    left, right = {a for a, _ in renamed}, {b for _, b in renamed}
    return Pairing(
        same,
        renamed,
        tuple(key for key in gone if key not in left),
        tuple(key for key in come if key not in right),
    )


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
    names = {key[1]: f"\ue000{_type(body)}" for key, body in [*gone.items(), *come.items()]}
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
        (-_likeness(ours[old], theirs[new]), old[0] != new[0], old, new)
        for old in left
        for new in right
        if _type(left[old]) == _type(right[new])
    )
    for score, _, old, new in scored:
        if -score >= ALIKE and old in left and new in right:
            del left[old], right[new]
            yield old, new


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def _leaves(body: Any, names: Mapping[str, str]) -> frozenset[str]:
    return frozenset(
        f"{name}={_masked(canonical(value, str(name)), names)}"
        for name, value in section(mapping(body), "Properties").items()
        if name != "Tags"
    )


def _masked(text: str, names: Mapping[str, str]) -> str:
    for name, mask in names.items():
        text = text.replace(json.dumps(name), json.dumps(mask))
    return text


def _path(body: Any) -> tuple[str, str] | None:
    path = section(mapping(body), "Metadata").get("aws:cdk:path")
    return (_type(body), path) if isinstance(path, str) else None


def _type(body: Any) -> str:
    return str(mapping(body).get("Type"))
