"""All rules together: what one difference does."""

from typing import Final

from ultracluster.review.changes import (  # noqa: F401  (their rules register themselves)
    buckets,
    capacity,
    data,
    hyperpod,
    lustre,
    nodes,
    permissions,
    presence,
    retention,
    routes,
    security_group_rules,
    services,
    settings,
)
from ultracluster.review.changes.attributes import of_attribute
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.defaults import added, in_place, not_offered, removed
from ultracluster.review.changes.difference import dotted
from ultracluster.review.changes.retention import STATEFUL, outlives
from ultracluster.review.changes.verdict import (
    Site,
    Verdict,
    differs,
    missing,
    on_change,
    on_coming,
    on_going,
)
from ultracluster.templates.texts import identity

SAME_VALUE: Final = "both ways of writing it give the same value (functions resolved)"


def judged(site: Site) -> list[Verdict]:
    """Return what a property that changed does."""
    if site.follows and (because := missing(site.now)):
        return [
            Verdict(
                Danger.FAILS,
                f"{site.name} refers to something that is gone: {because}",
                "CloudFormation refuses a reference to what is in no template",
                "remove the reference in the same deployment",
            )
        ]
    if site.path[0].startswith("@"):
        return [*on_change(site)] or of_attribute(site)
    if not site.follows and identity(site.was) is not None and not differs(site.was, site.now):
        return [Verdict(Danger.HARMLESS, f"{dotted(site.path)} is written otherwise", SAME_VALUE)]
    return on_change(site) or in_place(site)


def coming(site: Site) -> list[Verdict]:
    """Return what a resource that is new does."""
    return [*not_offered(site), *(on_coming(site) or added(site))]


def going(site: Site) -> list[Verdict]:
    """Return what the removal of a resource does."""
    assert site.old is not None  # noqa: S101  (it was there)
    kept = outlives(site.old, name="DeletionPolicy") == "Retain"
    if kept and site.old.resource_type not in STATEFUL:
        return removed(site)
    return on_going(site) or removed(site)
