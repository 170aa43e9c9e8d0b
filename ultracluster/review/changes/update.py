"""Two sets of templates, compared variant by variant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ultracluster.model.model import Model
from ultracluster.model.policies import Statement
from ultracluster.model.security_groups import SecurityGroups
from ultracluster.registry.schemas import any_schema
from ultracluster.review.changes.pairing import Pairing, paired
from ultracluster.review.changes.references import alike
from ultracluster.review.changes.values import Key, at, differs, linked
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.templates.reading import Key as Reference
from ultracluster.templates.resolved import ResolvedResource, Variant


@dataclass(frozen=True, eq=False)
class VariantIndex:
    """One variant of a set of templates, with what rules look up in it."""

    resolved: Variant

    @cached_property
    def resources(self) -> Mapping[Key, ResolvedResource]:
        """Every resource that is made."""
        return {r.place.key: r for r in self.resolved.resources}

    @cached_property
    def model(self) -> Model:
        """What the templates define."""
        return Model(self.resolved)

    @property
    def groups(self) -> SecurityGroups:
        """Security groups and their rules."""
        return self.model.groups

    @cached_property
    def users(self) -> Mapping[Key, tuple[ResolvedResource, ...]]:
        """Resources by what they refer to."""
        found: dict[Key, dict[Key, ResolvedResource]] = {}
        for key, resource in self.resources.items():
            for target in linked(resource.properties):
                found.setdefault(target, {})[key] = resource
        return {target: tuple(users.values()) for target, users in found.items()}

    @cached_property
    def identity_statements(self) -> Mapping[Reference, tuple[Statement, ...]]:
        """Statements of identity policies by the role, user or group that has them."""
        found: dict[Reference, list[Statement]] = {}
        for statement in self.model.statements:
            if statement.kind == "identity":
                for owner in statement.owners:
                    found.setdefault(owner, []).append(statement)
        return {owner: tuple(statements) for owner, statements in found.items()}

    def of(self, *types: str) -> Iterator[ResolvedResource]:
        """Yield the resources of some types."""
        return (r for r in self.resolved.resources if r.resource_type in types)


@dataclass(frozen=True, eq=False)
class VariantPair:
    """Variants of both sets, whose choices agree as far as they can."""

    old: VariantIndex
    new: VariantIndex

    def replaces(self, key: Key, seen: frozenset[Key] = frozenset()) -> bool:
        """Whether a resource is another one afterwards.

        It is replaced by a create-only property, or by another resource to which one refers.
        """
        old, new = self.old.resources.get(key), self.new.resources.get(key)
        if key in seen:
            return False
        if old is None or new is None:
            return True
        schema = any_schema(new.resource_type)
        for path in schema.create_only if schema else ():
            value = at(new.properties, path)
            if differs(at(old.properties, path), value):
                return True
            if any(self.replaces(target, seen | {key}) for target in linked(value)):
                return True
        return False


@dataclass(frozen=True, eq=False)
class Update:
    """What an update starts from and leads to."""

    before: ResolvedTemplates
    after: ResolvedTemplates
    pairing: Pairing
    pairs: tuple[VariantPair, ...]


def bodies(templates: ResolvedTemplates) -> Mapping[str, Mapping[str, Any]]:
    """Return templates as they are written, by the name of their stack."""
    return {name: template.body for name, template in templates.templates.items()}


def update(before: ResolvedTemplates, after: ResolvedTemplates) -> Update:
    """Return two sets of templates with what each resource of one is in the other."""
    old, new = ([VariantIndex(alike(v)) for v in each.variants] for each in (before, after))
    pairs = [VariantPair(_nearest(each, old), each) for each in new]
    left = [each for each in old if all(each is not pair.old for pair in pairs)]
    pairs += [VariantPair(each, _nearest(each, new)) for each in left]
    return Update(before, after, paired(bodies(before), bodies(after)), tuple(pairs))


def _nearest(variant: VariantIndex, others: Sequence[VariantIndex]) -> VariantIndex:
    """Return the variant whose choices contradict those of another the least."""

    def contradictions(other: VariantIndex) -> int:
        mine, its = variant.resolved.choices, other.resolved.choices
        return sum(1 for name in mine if name in its and mine[name] is not its[name])

    return min(others, key=contradictions)
