"""Slurm clusters on AWS PCS: their version, their accounts, and which nodes a queue has."""

from collections.abc import Iterator
from typing import Any

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.routes import lost
from ultracluster.review.changes.sources import QUEUES, api, unverified
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import Site, Verdict, at, changed
from ultracluster.review.changes.words import known_text, named, quoted
from ultracluster.templates.reading import UndeterminedError, key


@changed("AWS::PCS::Cluster")
def version(site: Site) -> Iterator[Verdict]:
    if site.path != ("Scheduler", "Version"):
        return
    was, now = (known_text(value) for value in (site.was, site.now))
    why = api("PCS", "UpdateCluster: every queue and node group must be ACTIVE; ")
    why += unverified("Slurm upgrades")
    if was and now and _numbers(now) < _numbers(was):
        says = f"Slurm {was} cannot become {now}: it does not go back to an older version"
        advice = "make a second cluster with the older version"
        yield Verdict(Danger.FAILS, says, why, advice)
    else:
        says = f"Slurm goes from {was} to {now}: submitting and starting jobs waits while the "
        says += "controller changes, and the agent on the nodes has to fit it"
        yield Verdict(Danger.INTERRUPTS, says, why, "drain the queues first")


def _numbers(written: str) -> list[int]:
    return [int(part) for part in written.split(".") if part.isdigit()]


@changed("AWS::PCS::Queue")
def nodes_of_queue(site: Site) -> Iterator[Verdict]:
    """Judge which node groups run the jobs of a queue."""
    if site.path != ("ComputeNodeGroupConfigurations",):
        return
    was, now = site.was or [], site.now or []
    says = f"{site.name} may take no new jobs while it changes, for minutes; running jobs go on"
    yield Verdict(Danger.INTERRUPTS, says, QUEUES)
    for group in lost(now, was):
        name = _group(site.moment.new, group)
        if name is None:
            says = f"{site.name} names a node group that no given template makes: {_id(group)}"
            yield Verdict(Danger.FAILS, says, QUEUES, "write the Id of a node group of its cluster")
        else:
            yield Verdict(Danger.INTERRUPTS, f"jobs of {site.name} also run on {name}", QUEUES)
    for group in lost(was, now):
        name = _group(site.moment.old, group) or _id(group)
        says = f"further jobs of {site.name} no longer run on {name}"
        yield Verdict(Danger.REDUCES_CAPACITY, says, QUEUES)


def _id(group: Any) -> str:
    return quoted(at(group, ("ComputeNodeGroupId",)))


def _group(side: Side, group: Any) -> str | None:
    """Return what a node group of a queue is called, None where no template makes it."""
    try:
        found = side.resources.get(key(at(group, ("ComputeNodeGroupId",))))  # type: ignore[arg-type]
    except UndeterminedError:
        return "a node group that the templates do not tell"
    return named(found) if found else None
