"""Two sets of templates, compared variant by variant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ultracluster.model.model import Model
from ultracluster.model.policies import Statement
from ultracluster.registry.schemas import any_schema
from ultracluster.review.changes.pairing import Pairing, paired
from ultracluster.review.changes.references import alike
from ultracluster.review.changes.values import Key, at, differs, linked
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.templates.reading import Key as Reference
from ultracluster.templates.resolved import ResolvedResource


class VariantModel(Model):
    """What one variant of a set of templates defines, with what rules look up in it."""

    @cached_property
    def users(self) -> Mapping[Key, tuple[ResolvedResource, ...]]:
        """Resources by what they refer to."""
        found: dict[Key, dict[Key, ResolvedResource]] = {}
        for resource in self.resources:
            for target in linked(resource.properties):
                found.setdefault(target, {})[resource.place.key] = resource
        return {target: tuple(users.values()) for target, users in found.items()}

    @cached_property
    def identity_statements(self) -> Mapping[Reference, tuple[Statement, ...]]:
        """Statements of identity policies by the role, user or group that has them."""
        found: dict[Reference, list[Statement]] = {}
        for statement in self.statements:
            if statement.kind == "identity":
                for owner in statement.owners:
                    found.setdefault(owner, []).append(statement)
        return {owner: tuple(statements) for owner, statements in found.items()}


@dataclass(frozen=True, eq=False)
class VariantPair:
    """Variants of both sets, whose choices agree as far as they can."""

    old: VariantModel
    new: VariantModel

    def replaces(self, key: Key, seen: frozenset[Key] = frozenset()) -> bool:
        """Whether a resource is another one afterwards.

        It is replaced by a create-only property, or by another resource to which one refers.
        """
        old, new = self.old.at(key), self.new.at(key)
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


def update(before: ResolvedTemplates, after: ResolvedTemplates) -> Update:
    """Return two sets of templates with what each resource of one is in the other."""
    old, new = ([VariantModel(alike(v)) for v in each.variants] for each in (before, after))
    pairs = [VariantPair(_nearest(each, old), each) for each in new]
    left = [each for each in old if all(each is not pair.old for pair in pairs)]
    pairs += [VariantPair(each, _nearest(each, new)) for each in left]
    return Update(before, after, paired(before.bodies, after.bodies), tuple(pairs))


def _nearest(one: VariantModel, others: Sequence[VariantModel]) -> VariantModel:
    """Return the variant whose choices contradict those of another the least."""

    def contradictions(other: VariantModel) -> int:
        mine, its = one.variant.choices, other.variant.choices
        return sum(name in its and mine[name] is not its[name] for name in mine)

    return min(others, key=contradictions)
