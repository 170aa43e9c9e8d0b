"""Resources that are added, removed or renamed."""

from collections.abc import Iterator
from typing import Final

from ultracluster.registry.schemas import any_schema, regions, schema
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.replacement import exported, twin, what_ends
from ultracluster.review.changes.retention import data_removed, outlives
from ultracluster.review.changes.sources import ORDER, PRICES, PURPOSE, REGISTRY
from ultracluster.review.changes.update import linked
from ultracluster.review.changes.verdict import (
    ANY,
    Site,
    Verdict,
    coming,
    differs,
    going,
    on_coming,
    on_going,
)
from ultracluster.review.changes.words import holdings, known_text, named
from ultracluster.review.naming import noun
from ultracluster.review.resource_types import resource_type

CUSTOM: Final = ("Custom::", "AWS::CloudFormation::CustomResource")
KNOWN_BY_ID: Final = (
    "CloudFormation knows a resource by its stack and logical id: it makes a new one and deletes "
    "the old one"
)


def unknown_type(site: Site) -> str | None:
    """Return why nothing is known of a type, None where the registry has it."""
    if site.type.startswith(CUSTOM):
        return "a custom resource does what its own program does"
    if site.type == "AWS::CloudFormation::Stack":
        return "what a nested stack does stands in its own template"
    if site.schema is None:
        return f"type {site.type or 'without a name'} is in no Region's registry ({REGISTRY})"
    return None


def added(site: Site) -> list[Verdict]:
    """Return what a new resource does."""
    found = [*_not_offered(site), *on_coming(site)]
    if not found and (because := unknown_type(site)):
        return [Verdict(Danger.CANNOT_TELL, f"{site.name} is new: {because}", because)]
    new = Verdict(Danger.HARMLESS, f"{site.name} is new", "nothing that was there changes")
    return found or [new]


def _not_offered(site: Site) -> Iterator[Verdict]:
    region = site.region
    if region not in regions() or any_schema(site.type) is None:
        return
    if region and schema(site.type, region) is None:
        says = f"{site.name} cannot be made: {region} has no {site.type}"
        yield Verdict(Danger.FAILS, says, REGISTRY, "choose another Region, or leave it out")


@coming(ANY)
def billed(site: Site) -> Iterator[Verdict]:
    if says := resource_type(site.type).billed:
        yield Verdict(Danger.COSTS_MORE, says, PRICES)


def removed(site: Site) -> list[Verdict]:
    """Return what the removal of a resource does."""
    name = named(site.resource)
    kept = outlives(site.old, name="DeletionPolicy") == "Retain"
    if kept and not resource_type(site.type).holds:
        says = f"{name} leaves the stack and stays in the account"
        return [Verdict(Danger.HARMLESS, says, "DeletionPolicy keeps it")]
    if found := on_going(site):
        return found
    if resource_type(site.type).unused:
        return [Verdict(Danger.HARMLESS, f"{name} is deleted", "nothing depends on its type")]
    if because := unknown_type(site):
        return [Verdict(Danger.CANNOT_TELL, f"{name} is removed: {because}", because)]
    says = f"{name} is deleted; whatever uses it stops"
    return [Verdict(Danger.INTERRUPTS, says, "it is in no template any more")]


@going(ANY)
def stops(site: Site) -> Iterator[Verdict]:
    """Judge what others need, what watches something, and nodes that are given up."""
    known = resource_type(site.type)
    if known.guards:
        yield Verdict(Danger.LOOSENS_SECURITY, known.guards, PURPOSE)
    says = known.removed or known.ends
    if says and not known.holds:
        yield Verdict(Danger.INTERRUPTS, says, PURPOSE)
    if known.gives_up_nodes:
        yield Verdict(Danger.REDUCES_CAPACITY, "its nodes are in no template any more", PURPOSE)


def renamed(site: Site) -> list[Verdict]:
    """Return what a new logical id or stack does to a resource."""
    if site.old is None or site.new is None:
        return added(site) if site.new else removed(site)
    assert site.old_key and site.new_key  # noqa: S101, PT018  (both are there)
    moved = site.old_key[0] != site.new_key[0]
    verb = f"becomes {site.new_key[1]}"
    if moved:
        verb = f"moves from {site.old_key[0]} to {site.new_key[0]}"
    advice = (
        "keep the logical id (override_logical_id), or move it by a stack refactoring "
        "(aws cloudformation create-stack-refactor)"
    )
    says = f"{site.name} {verb} and is made anew"
    found = []
    if resource_type(site.old.resource_type).holds:
        says += f", empty of {holdings(site.old)}"
        found += [v for v in data_removed(site) if v.danger is Danger.LOSES_DATA]
        if outlives(site.old, name="DeletionPolicy") == "Retain":
            stays = f"the old {noun(site.old.resource_type)} stays behind and is billed"
            found.append(Verdict(Danger.COSTS_MORE, stays, KNOWN_BY_ID))
    first = Verdict(Danger.REPLACES, says, KNOWN_BY_ID, advice)
    return [first, *found, *what_ends(site), *exported(site), *_same_name(site), *twin(site)]


def _same_name(site: Site) -> Iterator[Verdict]:
    """Yield that the new resource is refused, because the old one still has its name."""
    name = site.schema.custom_name if site.schema else None
    was, now = site.both(name) if name else (None, None)
    if was is None or differs(was, now) or _elsewhere(site):
        return
    assert site.old is not None  # noqa: S101  (renamed from something)
    says = f"the new one is refused: {named(site.old)} has the name {known_text(now)} already"
    yield Verdict(Danger.FAILS, says, ORDER)


def _elsewhere(site: Site) -> bool:
    """Whether the new resource stands within another one, where its name is free."""
    within = resource_type(site.type).named_within
    was, now = site.both(within) if within else (None, None)
    if not within:
        return False
    return differs(was, now) or any(site.moment.replaces(key) for key in linked(now))
