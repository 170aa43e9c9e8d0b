"""All rules together: what one difference does."""

from collections.abc import Mapping
from typing import Final

from ultracluster.review.changes import (  # noqa: F401  (their rules register themselves)
    buckets,
    hyperpod,
    images,
    lustre,
    permissions,
    security_group_rules,
    settings,
    slurm,
)
from ultracluster.review.changes.added_removed import unknown_type
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import dotted
from ultracluster.review.changes.retention import replaced
from ultracluster.review.changes.sources import REGISTRY, TYPE
from ultracluster.review.changes.verdict import Site, Verdict, differs, missing, on_change
from ultracluster.review.resource_types import resource_type
from ultracluster.templates.texts import identity

SAME_VALUE: Final = "both ways of writing it give the same value (functions resolved)"
TEXTS: Final = frozenset({"Description", "GroupDescription", "DisplayName", "Comment"})
LABELS: Final = frozenset({"Tags", "TagSpecifications", "ResourceTags", "FileSystemTags"})
ATTRIBUTES: Final[Mapping[str, tuple[str, str]]] = {
    "Metadata": (
        "metadata of the resource changes",
        "CloudFormation makes nothing of Metadata",
    ),
    "DependsOn": (
        "the order in which resources are made and deleted changes",
        "DependsOn changes nothing of what is there",
    ),
    "UpdatePolicy": (
        "the next change of the launch template reaches running nodes in another way",
        "UpdatePolicy acts when another property changes",
    ),
    "CreationPolicy": (
        "what a creation waits for changes",
        "CreationPolicy acts when the resource is made",
    ),
    "Condition": (
        "it is made as before under every condition that was looked at",
        "conditions resolved before and after",
    ),
}
"""Attributes beside the properties of which every change is harmless, and why. Retention is judged
in `retention.py`."""


def judged(site: Site) -> list[Verdict]:
    """Return what a property that changed does."""
    if site.follows and (because := missing(site.now)):
        says = f"{site.name} refers to something that is gone: {because}"
        why = "CloudFormation refuses a reference to what is in no template"
        advice = "remove the reference in the same deployment"
        return [Verdict(Danger.FAILS, says, why, advice)]
    if site.path[0].startswith("@"):
        return on_change(site) or _attribute(site)
    if not site.follows and identity(site.was) is not None and not differs(site.was, site.now):
        says = f"{dotted(site.path)} is written in another way"
        return [Verdict(Danger.HARMLESS, says, SAME_VALUE)]
    return [*on_change(site), *_required(site)] or [_in_place(site)]


def _attribute(site: Site) -> list[Verdict]:
    name = site.path[0].removeprefix("@")
    if name == "Type":
        return _type(site)
    if name in ATTRIBUTES:
        return [Verdict(Danger.HARMLESS, *ATTRIBUTES[name])]
    says = f"{name} of {site.name} changes"
    return [Verdict(Danger.CANNOT_TELL, says, "no attribute of resources has that name")]


def _type(site: Site) -> list[Verdict]:
    assert site.old is not None and site.new is not None  # noqa: S101, PT018
    old, new = site.old.resource_type, site.new.resource_type
    says = f"CloudFormation refuses to make a {new} of a {old}"
    advice = "give the new resource a logical id of its own"
    refused = Verdict(Danger.FAILS, says, TYPE, advice)
    if resource_type(old).holds:
        return [refused, *replaced(site, TYPE)]
    says = f"{site.name} would be another resource"
    return [refused, Verdict(Danger.REPLACES, says, TYPE, remakes=True)]


def _required(site: Site) -> list[Verdict]:
    """Return that a type cannot do without a property that is gone."""
    required = site.schema.document.get("required", ()) if site.schema else ()
    if len(site.path) == 1 and site.now is None and site.new and site.path[0] in required:
        says = f"{site.name} cannot be without {site.path[0]}"
        return [Verdict(Danger.FAILS, says, f"required ({REGISTRY})")]
    return []


def _in_place(site: Site) -> Verdict:
    """Return what the registry says of a property that no rule and no record knows."""
    top = site.path[0]
    because = unknown_type(site)
    if because is None and site.schema and top not in site.schema.document.get("properties", {}):
        because = f"the registry's schema of {site.type} has no property {top} ({REGISTRY})"
    if because is not None:
        return Verdict(Danger.CANNOT_TELL, f"cannot tell what changes: {because}", because)
    why = f"{top} is updated in place: it is not create-only ({REGISTRY})"
    if top in LABELS or site.path[-1] in TEXTS:
        says = f"{site.name} has other {'labels' if top in LABELS else 'explanations'}"
        return Verdict(Danger.HARMLESS, says, why)
    says = f"{site.name} is updated in place; whether that interrupts what uses it is not known"
    return Verdict(Danger.CANNOT_TELL, says, f"{why}; a schema does not say more")
