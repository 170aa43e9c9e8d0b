"""Reading of resolved values: what the templates leave open is `NotKnown`, with its reason.

Rules about changes take it for nothing: what is not known on one side is no change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from ultracluster.input_files import Sources
from ultracluster.templates.resolution import resolved_group
from ultracluster.templates.resolved import ResolvedGroup, Template, Unknown, Variant
from ultracluster.templates.resolved_values import (
    Key,
    UndeterminedError,
    items,
    key,
    links,
    number,
    text,
)
from ultracluster.templates.scope import section
from ultracluster.templates.stacks import Stacks
from ultracluster.templates.texts import identity, leaves


@dataclass(frozen=True, slots=True)
class NotKnown:
    """What the templates leave open."""

    because: str


T = TypeVar("T")


def read(function: Callable[..., T], *arguments: Any) -> T | NotKnown:
    """Return what a function reads of resolved values, or why that is not known."""
    try:
        return function(*arguments)
    except UndeterminedError as error:
        return NotKnown(error.because)


def or_none(value: T | NotKnown | None) -> T | None:
    return None if isinstance(value, NotKnown) else value


def key_at(value: Any, *path: str) -> Key | None:
    """Return what a resolved value refers to at a path, None where that is not known."""
    found: Key | NotKnown = read(key, value, *path)
    return None if isinstance(found, NotKnown) else found


def words(value: object, unknown: str = "not known") -> str:
    """Return a value for a reader."""
    if isinstance(value, NotKnown) or value is None:
        return unknown
    return f"{value:,}" if isinstance(value, int) else str(value)


def linked(value: Any) -> set[tuple[str, str]]:
    return {link.key for link in links(value)}


def differs(one: Any, other: Any) -> bool:
    """Whether two resolved values differ, or may."""
    mine, its = identity(one), identity(other)
    return mine is None or its is None or mine != its


def entries(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list, none where it is not known."""
    return [item for item in or_none(read(items, value)) or () if isinstance(item, Mapping)]


def missing(value: Any) -> str | None:
    """Return why a value refers to nothing, None where everything in it leads somewhere."""
    ends = [end for leaf in leaves(value) for end in getattr(leaf, "parts", (leaf,))]
    return next((e.because for e in ends if isinstance(e, Unknown) and e.dangling), None)


def lost(was: Any, now: Any) -> list[Any]:
    """Return the items of a list that are not in another."""
    old, new = ([v] if isinstance(f := read(items, v), NotKnown) else f for v in (was, now))
    kept = {identity(item) for item in new}
    return [item for item in old if identity(item) not in kept]


def count(value: Any) -> int | None:
    """Return a resolved value as a whole number, None where it is none or is not known."""
    return or_none(read(number, value))


def known_text(value: Any) -> str | None:
    """Return a resolved value as text, None where it is none or is not known."""
    return or_none(read(text, value))


def true(value: Any) -> bool:
    return known_text(value) in ("true", "True")


@dataclass(frozen=True, eq=False)
class ResolvedTemplates:
    """Templates with the parameters and the Region that they were resolved with."""

    groups: tuple[ResolvedGroup, ...]
    """Templates of one group take nothing of another group."""
    parameters: Mapping[str, str]
    region: str | None
    """Where templates go that do not say it."""

    @cached_property
    def templates(self) -> Mapping[str, Template]:
        return {t.name: t for group in self.groups for t in group.templates}

    @cached_property
    def bodies(self) -> Mapping[str, Mapping[str, Any]]:
        return {name: template.body for name, template in self.templates.items()}

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Variants of all templates together.

        What one group leaves open has no influence on another: each variant of each group stands
        in one of these, and not each with each of another group.
        """
        count = max((len(group.variants) for group in self.groups), default=0)
        together = (
            [group.variants[min(index, len(group.variants) - 1)] for group in self.groups]
            for index in range(count)
        )
        return tuple(map(_joined, together)) or (Variant((), self.region or NO_REGION),)

    @cached_property
    def stacks(self) -> Stacks:
        """The templates before conditions are chosen: for outputs and exports."""
        return Stacks(list(self.templates.values()), self.parameters, self.region)

    def written(self, stack: str, logical_id: str) -> Mapping[str, Any]:
        """Return a resource as it is written, empty where there is none."""
        template = self.templates.get(stack)
        return section(section(template.body, "Resources"), logical_id) if template else {}


NO_REGION = Unknown("the Region is not given")


def of_sources(
    sources: Sources, parameters: Mapping[str, str], region: str | None
) -> ResolvedTemplates:
    """Return everything that was named on a command line."""
    # A default that changes is a change: other values that are allowed would hide it.
    groups = sources.resolved(parameters, region, every_value=False)
    return ResolvedTemplates(tuple(groups), parameters, region)


def of_templates(
    templates: Sequence[Template], parameters: Mapping[str, str], region: str | None
) -> ResolvedTemplates:
    """Return templates that are deployed by one app."""
    groups = Stacks(templates, parameters, region).connected()
    resolved = tuple(resolved_group(group, parameters, region) for group in groups)
    return ResolvedTemplates(resolved, parameters, region)


def _joined(variants: Sequence[Variant]) -> Variant:
    """Return variants of several groups as one."""
    if len(variants) == 1:
        return variants[0]
    regions = {variant.region for variant in variants}
    return Variant(
        resources=tuple(resource for variant in variants for resource in variant.resources),
        region=regions.pop() if len(regions) == 1 else Unknown("they go to several Regions"),
        choices={name: held for variant in variants for name, held in variant.choices.items()},
        templates={name: t for variant in variants for name, t in variant.templates.items()},
        incomplete=next((v.incomplete for v in variants if v.incomplete), None),
    )
