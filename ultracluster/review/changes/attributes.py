"""What stands beside the properties of a resource."""

from collections.abc import Mapping
from typing import Final

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.retention import STATEFUL, replaced
from ultracluster.review.changes.sources import TYPE
from ultracluster.review.changes.verdict import Site, Verdict

SAYS: Final[Mapping[str, tuple[Danger, str, str]]] = {
    "Metadata": (
        Danger.HARMLESS,
        "notes beside the resource change",
        "CloudFormation makes nothing of Metadata",
    ),
    "DependsOn": (
        Danger.HARMLESS,
        "the order in which things are made and deleted changes",
        "DependsOn changes nothing of what is there",
    ),
    "UpdatePolicy": (
        Danger.HARMLESS,
        "the next change of the launch template reaches running nodes in another way",
        "UpdatePolicy acts when another property changes",
    ),
    "CreationPolicy": (
        Danger.HARMLESS,
        "what a creation waits for changes",
        "CreationPolicy acts when the resource is made",
    ),
    "Condition": (
        Danger.HARMLESS,
        "it is made as before under every condition that was looked at",
        "conditions resolved on both sides",
    ),
}


def of_attribute(site: Site) -> list[Verdict]:
    """Return what a change beside the properties does; retention is judged elsewhere."""
    name = site.path[0].removeprefix("@")
    if name == "Type":
        return _type(site)
    if name in SAYS:
        danger, what, why = SAYS[name]
        return [Verdict(danger, what, why)]
    return [
        Verdict(
            Danger.CANNOT_TELL,
            f"{name} of {site.name} changes",
            "no attribute of resources has that name",
        )
    ]


def _type(site: Site) -> list[Verdict]:
    assert site.old is not None and site.new is not None  # noqa: S101, PT018
    refused = Verdict(
        Danger.FAILS,
        f"CloudFormation refuses to make a {site.new.resource_type} of a {site.old.resource_type}",
        TYPE,
        "give the new resource a logical id of its own",
    )
    if site.old.resource_type in STATEFUL:
        return [refused, *replaced(site, TYPE)]
    return [
        refused,
        Verdict(Danger.REPLACES, f"{site.name} would be another resource", TYPE, remakes=True),
    ]
