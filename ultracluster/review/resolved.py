"""One set of templates, resolved once with its parameters and Region, for all parts of a review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ultracluster.input_files import Sources
from ultracluster.templates.resolution import resolved_group
from ultracluster.templates.resolved import ResolvedGroup, Unknown, Variant
from ultracluster.templates.scope import section
from ultracluster.templates.stacks import Stacks
from ultracluster.templates.template import Template


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
