"""All rules together: what one difference does, and what is added, removed or renamed."""

from collections.abc import Iterator
from typing import Final

from ultracluster.registry.schemas import any_schema, regions, schema
from ultracluster.review.changes import (  # noqa: F401  (their rules register themselves)
    clusters,
    nodes,
    permissions,
    settings,
    stores,
    traffic,
)
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import dotted
from ultracluster.review.changes.replacement import exported, outlives, replaced, twin, what_ends
from ultracluster.review.changes.rules import ANY, Edit, Effect, effects, when_added, when_removed
from ultracluster.review.naming import named
from ultracluster.review.resolved import differs, known_text, linked, missing
from ultracluster.review.resource_types import resource_type
from ultracluster.review.tables import NAMES, ORDER, PRICES, PURPOSE, REGISTRY, TYPE
from ultracluster.templates.resources import Veiled
from ultracluster.templates.texts import identity

KEEP: Final = (
    "keep the logical id (override_logical_id), or move it by a stack refactoring (aws "
    "cloudformation create-stack-refactor)"
)
CUSTOM: Final = ("Custom::", "AWS::CloudFormation::CustomResource")
KNOWN_BY_ID: Final = (
    "CloudFormation knows a resource by its stack and logical id: it makes a new one and deletes "
    "the old one"
)


def unknown_type(edit: Edit) -> str | None:
    """Return why nothing is known of a type, None where the registry has it."""
    if edit.type.startswith(CUSTOM):
        return "a custom resource does what its own program does"
    if edit.type == "AWS::CloudFormation::Stack":
        return "what a nested stack does stands in its own template"
    if edit.schema is None and not resource_type(edit.type).unused:
        return f"type {edit.type or 'without a name'} is in no Region's registry ({REGISTRY})"
    return None


def added(edit: Edit) -> list[Effect]:
    found = [*_not_offered(edit), *effects("added", edit)]
    if not found and (because := unknown_type(edit)):
        return [Effect(Danger.CANNOT_TELL, f"{edit.name} is new: {because}", because)]
    new = Effect(Danger.HARMLESS, f"{edit.name} is new", "nothing that was there changes")
    return found or [new]


def _not_offered(edit: Edit) -> Iterator[Effect]:
    region = edit.region
    if region not in regions() or any_schema(edit.type) is None:
        return
    if region and schema(edit.type, region) is None:
        says = f"{edit.name} cannot be made: {region} has no {edit.type}"
        yield Effect(Danger.FAILS, says, REGISTRY, "choose another Region, or leave it out")


@when_added(ANY)
def billed(edit: Edit) -> Iterator[Effect]:
    if says := resource_type(edit.type).billed:
        yield Effect(Danger.COSTS_MORE, says, PRICES)


def removed(edit: Edit) -> list[Effect]:
    name = named(edit.resource)
    kept = outlives(edit.old, name="DeletionPolicy") == "Retain"
    if kept and not resource_type(edit.type).holds:
        says = f"{name} leaves the stack and stays in the account"
        if edit.type == "AWS::EC2::CapacityReservation":
            says += ", where it is charged until somebody cancels it"
            return [Effect(Danger.COSTS_MORE, says, "DeletionPolicy keeps it")]
        return [Effect(Danger.HARMLESS, says, "DeletionPolicy keeps it")]
    if found := effects("removed", edit):
        return found
    if resource_type(edit.type).unused:
        return [Effect(Danger.HARMLESS, f"{name} is deleted", "nothing depends on its type")]
    if because := unknown_type(edit):
        return [Effect(Danger.CANNOT_TELL, f"{name} is removed: {because}", because)]
    says = f"{name} is deleted; whatever uses it stops"
    return [Effect(Danger.INTERRUPTS, says, "it is in no template any more")]


@when_removed(ANY)
def stops(edit: Edit) -> Iterator[Effect]:
    """Judge what others need, what watches something, and nodes that are given up."""
    known = resource_type(edit.type)
    if known.guards:
        yield Effect(Danger.LOOSENS_SECURITY, known.guards, PURPOSE)
    says = known.removed or known.ends
    if says and not known.holds:
        yield Effect(Danger.INTERRUPTS, says, PURPOSE)
    if known.gives_up_nodes:
        yield Effect(Danger.REDUCES_CAPACITY, "its nodes are in no template any more", PURPOSE)


def renamed(edit: Edit) -> list[Effect]:
    """Return what a new logical id or stack does to a resource."""
    if edit.old is None or edit.new is None:
        return added(edit) if edit.new else removed(edit)
    assert edit.old_key and edit.new_key  # noqa: S101, PT018  (both are there)
    (before, _), (after, name) = edit.old_key, edit.new_key
    verb = f"becomes {name}" if before == after else f"moves from {before} to {after}"
    new = replaced(edit, KNOWN_BY_ID, f"{verb} and will", KEEP, "DeletionPolicy")
    return [*new, *what_ends(edit), *exported(edit), *_same_name(edit), *twin(edit)]


def _same_name(edit: Edit) -> Iterator[Effect]:
    """Yield that the new resource is refused, because the old one still has its name."""
    name = edit.schema.custom_name if edit.schema else None
    was, now = edit.both(name) if name else (None, None)
    if was is None or differs(was, now) or _elsewhere(edit):
        return
    assert edit.old is not None  # noqa: S101  (renamed from something)
    says = f"the new one is refused: {named(edit.old)} has the name {known_text(now)} already"
    yield Effect(Danger.FAILS, says, ORDER)


def _elsewhere(edit: Edit) -> bool:
    """Whether the new resource stands within another one, where its name is free."""
    within = resource_type(edit.type).named_within
    if not within:
        return False
    was, now = edit.both(within)
    return differs(was, now) or bool(linked(now) & edit.pair.replaced.keys())


SAME_VALUE: Final = "both ways of writing it give the same value (functions resolved)"


def judged(edit: Edit) -> list[Effect]:
    """Return what a property that changed does."""
    if edit.follows and (because := missing(edit.now)):
        says = f"{edit.name} refers to something that is gone: {because}"
        why = "CloudFormation refuses a reference to what is in no template"
        advice = "remove the reference in the same deployment"
        return [Effect(Danger.FAILS, says, why, advice)]
    if not edit.path:
        return [_as_a_whole(edit)]
    if edit.beside:
        return effects("changed", edit) or _attribute(edit)
    if not edit.follows and identity(edit.was) is not None and not differs(edit.was, edit.now):
        says = f"{dotted(edit.path)} is written in another way"
        return [Effect(Danger.HARMLESS, says, SAME_VALUE)]
    return [*effects("changed", edit), *_required(edit)] or [_in_place(edit)]


def _as_a_whole(edit: Edit) -> Effect:
    """Return what properties do that are written as one function."""
    for resource in (edit.old, edit.new):
        if resource and isinstance(resource.properties, Veiled):
            because = resource.properties.because
            return Effect(Danger.CANNOT_TELL, f"cannot tell what changes: {because}", because)
    return Effect(Danger.HARMLESS, f"{edit.name} is written in another way", SAME_VALUE)


def _attribute(edit: Edit) -> list[Effect]:
    name = edit.path[0].removeprefix("@")
    if name == "Type":
        return _type(edit)
    if name in NAMES["harmless_attributes"]:
        return [Effect(Danger.HARMLESS, *NAMES["harmless_attributes"][name])]
    says = f"{name} of {edit.name} changes"
    return [Effect(Danger.CANNOT_TELL, says, "no attribute of resources has that name")]


def _type(edit: Edit) -> list[Effect]:
    assert edit.old is not None and edit.new is not None  # noqa: S101, PT018
    old, new = edit.old.resource_type, edit.new.resource_type
    says = f"CloudFormation refuses to make a {new} of a {old}"
    advice = "give the new resource a logical id of its own"
    refused = Effect(Danger.FAILS, says, TYPE, advice)
    if resource_type(old).holds:
        return [refused, *replaced(edit, TYPE)]
    says = f"{edit.name} would be another resource"
    return [refused, Effect(Danger.REPLACES, says, TYPE, new_id=True)]


def _required(edit: Edit) -> list[Effect]:
    """Return that a type cannot do without a property that is gone."""
    required = edit.schema.document.get("required", ()) if edit.schema else ()
    if len(edit.path) == 1 and edit.now is None and edit.new and edit.path[0] in required:
        says = f"{edit.name} cannot be without {edit.path[0]}"
        return [Effect(Danger.FAILS, says, f"required ({REGISTRY})")]
    return []


def _in_place(edit: Edit) -> Effect:
    """Return what the registry says of a property that no rule and no record knows."""
    top = edit.path[0]
    because = unknown_type(edit)
    if because is None and edit.schema and top not in edit.schema.document.get("properties", {}):
        because = f"the registry's schema of {edit.type} has no property {top} ({REGISTRY})"
    if because is not None:
        return Effect(Danger.CANNOT_TELL, f"cannot tell what changes: {because}", because)
    why = f"{top} is updated in place: it is not create-only ({REGISTRY})"
    labels = top in NAMES["labels"]
    if labels or edit.path[-1] in NAMES["texts"]:
        says = f"{edit.name} has other {'labels' if labels else 'explanations'}"
        return Effect(Danger.HARMLESS, says, why)
    says = f"{edit.name} is updated in place; whether that interrupts what uses it is not known"
    return Effect(Danger.CANNOT_TELL, says, f"{why}; a schema does not say more")
