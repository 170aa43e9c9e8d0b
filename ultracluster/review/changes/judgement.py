"""All rules together: what one difference does."""

from typing import Final

from ultracluster.review.changes import (  # noqa: F401  (their rules register themselves)
    added_removed,
    capacity,
    clusters,
    launch_templates,
    lustre,
    permissions,
    replacement,
    retention,
    routes,
    security_group_rules,
    settings,
    stores,
)
from ultracluster.review.changes.added_removed import unknown_type
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import dotted
from ultracluster.review.changes.retention import replaced
from ultracluster.review.changes.rules import Edit, Effect, effects
from ultracluster.review.known import differs, missing
from ultracluster.review.resource_types import resource_type
from ultracluster.review.tables import NAMES, REGISTRY, TYPE
from ultracluster.templates.resources import Veiled
from ultracluster.templates.texts import identity

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
