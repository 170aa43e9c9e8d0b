"""All rules together: what one difference does, and what is added, removed or renamed."""

from collections.abc import Iterator
from typing import Final

from ultracluster.registry.schemas import regions, schema
from ultracluster.review import tables as source
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
from ultracluster.review.changes.replacement import (
    POLICIES,
    exported,
    outlives,
    replaced,
    retention,
    twin,
    what_ends,
)
from ultracluster.review.changes.update import ANY, Edit, Effect, effects, when
from ultracluster.review.naming import named, short
from ultracluster.review.resolved import differs, known_text, linked, missing
from ultracluster.review.resource_types import resource_type
from ultracluster.review.tables import NAMES
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
        return (
            f"type {edit.type or 'without a name'} is in no Region's registry ({source.REGISTRY})"
        )
    return None


def added(edit: Edit) -> list[Effect]:
    found, region = effects("added", edit), edit.region
    if region in regions() and edit.schema and not schema(edit.type, region):
        says = f"{edit.name} cannot be made: {region} has no {edit.type}"
        advice = "choose another Region, or leave it out"
        found.insert(0, Effect(Danger.FAILS, says, source.REGISTRY, advice))
    if not found and (because := unknown_type(edit)):
        return [Effect(Danger.CANNOT_TELL, f"{edit.name} is new: {because}", because)]
    new = Effect(Danger.HARMLESS, f"{edit.name} is new", "nothing that was there changes")
    return found or [new]


@when("added", ANY)
def billed(edit: Edit) -> Iterator[Effect]:
    if says := resource_type(edit.type).billed:
        yield Effect(Danger.COSTS_MORE, says, source.PRICES)


def removed(edit: Edit) -> list[Effect]:
    name, kept = edit.name, outlives(edit.former, "DeletionPolicy") == "Retain"
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


@when("removed", ANY)
def stops(edit: Edit) -> Iterator[Effect]:
    """Judge what others need, what watches something, and nodes that are given up."""
    known = resource_type(edit.type)
    if known.guards:
        says = f"{edit.name} is deleted: {known.guards}"
        yield Effect(Danger.LOOSENS_SECURITY, says, source.PURPOSE)
    says = known.removed or known.ends
    if says and not known.holds:
        yield Effect(Danger.INTERRUPTS, f"{edit.name} is deleted: {says}", source.PURPOSE)
    if known.gives_up_nodes:
        yield Effect(
            Danger.REDUCES_CAPACITY, "its nodes are in no template any more", source.PURPOSE
        )


def renamed(edit: Edit) -> list[Effect]:
    """Return what a new logical id or stack does to a resource."""
    if edit.old is None or edit.new is None:
        return added(edit) if edit.new else removed(edit)
    (before, _), (after, logical_id) = edit.old.place.key, edit.new.place.key
    name = logical_id if edit.name == named(edit.old) else short(edit.new.place)
    verb = f"becomes {name}" if before == after else f"moves from {before} to {after}"
    new = replaced(edit, KNOWN_BY_ID, f"{verb} and will", KEEP, "DeletionPolicy")
    return [*new, *what_ends(edit), *exported(edit), *_same_name(edit), *twin(edit)]


def _same_name(edit: Edit) -> Iterator[Effect]:
    """Yield that the new resource is refused, because the old one still has its name."""
    name = edit.schema.custom_name if edit.schema else None
    was, now = edit.both(name) if name else (None, None)
    if was is None or differs(was, now):
        return
    # Within another resource the name is free.
    within = resource_type(edit.type).named_within
    outer = edit.both(within) if within else ("", "")
    if not differs(*outer) and not linked(outer[1]) & edit.pair.replaced.keys():
        says = f"the new one is refused: {named(edit.former)} has the name {known_text(now)}"
        yield Effect(Danger.FAILS, f"{says} already", source.ORDER)


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
    if edit.path[0].startswith("@"):
        return _attribute(edit, edit.path[0].removeprefix("@"))
    if not edit.follows and identity(edit.was) is not None and not differs(edit.was, edit.now):
        says = f"{dotted(edit.path)} is written in another way"
        return [Effect(Danger.HARMLESS, says, SAME_VALUE)]
    found = effects("changed", edit)
    required = edit.schema.document.get("required", ()) if edit.schema else ()
    if len(edit.path) == 1 and edit.now is None and edit.path[0] in required:
        says = f"{edit.name} cannot be without {edit.path[0]}"
        found.append(Effect(Danger.FAILS, says, f"required ({source.REGISTRY})"))
    return found or [_in_place(edit)]


def _as_a_whole(edit: Edit) -> Effect:
    """Return what properties do that are written as one function."""
    for resource in (edit.former, edit.resource):
        if isinstance(resource.properties, Veiled):
            return _cannot_tell(resource.properties.because)
    return Effect(Danger.HARMLESS, f"{edit.name} is written in another way", SAME_VALUE)


def _cannot_tell(because: str) -> Effect:
    return Effect(Danger.CANNOT_TELL, f"cannot tell what changes: {because}", because)


def _attribute(edit: Edit, name: str) -> list[Effect]:
    if name == "Type":
        return _type(edit)
    if name in POLICIES:
        return [retention(edit, name)]
    if name in NAMES["harmless_attributes"]:
        return [Effect(Danger.HARMLESS, *NAMES["harmless_attributes"][name])]
    says = f"{name} of {edit.name} changes"
    return [Effect(Danger.CANNOT_TELL, says, "no attribute of resources has that name")]


def _type(edit: Edit) -> list[Effect]:
    old, new = edit.former.resource_type, edit.type
    says = f"CloudFormation refuses to make a {new} of a {old}"
    advice = "give the new resource a logical id of its own"
    refused = Effect(Danger.FAILS, says, source.TYPE, advice)
    if resource_type(old).holds:
        return [refused, *replaced(edit, source.TYPE)]
    says = f"{edit.name} would be another resource"
    return [refused, Effect(Danger.REPLACES, says, source.TYPE, new_id=True)]


def _in_place(edit: Edit) -> Effect:
    """Return what the registry says of a property that no rule and no record knows."""
    top = edit.path[0]
    because = unknown_type(edit)
    if because is None and edit.schema and top not in edit.schema.document.get("properties", {}):
        because = f"the registry's schema of {edit.type} has no property {top} ({source.REGISTRY})"
    if because is not None:
        return _cannot_tell(because)
    why = f"{top} is updated in place: it is not create-only ({source.REGISTRY})"
    labels = top in NAMES["labels"]
    if labels or edit.path[-1] in NAMES["texts"]:
        says = f"the {'tags' if labels else 'description'} of {edit.name} change"
        says += "" if labels else "s"
        return Effect(Danger.HARMLESS, says, why)
    says = f"{edit.name} is updated in place; whether that interrupts what uses it is not known"
    return Effect(Danger.CANNOT_TELL, says, f"{why}; a schema does not say more")
