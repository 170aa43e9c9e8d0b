"""Clusters: the version and the queues of Slurm on AWS PCS."""

import re
from collections.abc import Iterator
from typing import Any

from ultracluster.model.model import Model
from ultracluster.registry.schemas import at
from ultracluster.review import tables as source
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.update import Edit, Effect, when
from ultracluster.review.naming import named, quoted
from ultracluster.review.resolved import key_at, known_text, lost


@when("changed", "AWS::PCS::Cluster")
def version(edit: Edit) -> Iterator[Effect]:
    if edit.path != ("Scheduler", "Version"):
        return
    was, now = (known_text(value) for value in (edit.was, edit.now))
    older, newer = (
        [int(part) for part in re.findall("[0-9]{1,9}", value or "")] for value in (was, now)
    )
    if was and now and newer < older:
        says = f"Slurm {was} cannot become {now}: PCS does not go back to an older version"
        advice = "make a second cluster with the older version"
        yield Effect(Danger.FAILS, says, source.SLURM_VERSION, advice)
    else:
        says = f"Slurm goes from {was} to {now}: submitting and starting jobs waits while the "
        says += "controller changes, and the agent on the nodes has to fit it"
        yield Effect(Danger.INTERRUPTS, says, source.SLURM_VERSION, "drain the queues first")


@when("changed", "AWS::PCS::Queue")
def nodes_of_queue(edit: Edit) -> Iterator[Effect]:
    """Judge which node groups run the jobs of a queue."""
    if edit.path != ("ComputeNodeGroupConfigurations",):
        return
    was, now = edit.was or [], edit.now or []
    says = f"{edit.name} may take no new jobs while it changes, for minutes; running jobs go on"
    yield Effect(Danger.INTERRUPTS, says, source.QUEUES)
    for group in _others(now, was):
        name = _group(edit.pair.new, group)
        if name is None:
            says = f"where its cluster has no node group of the id {_id(group)}, which no "
            says += f"given template makes, the update of {edit.name} fails"
            yield Effect(
                Danger.FAILS, says, source.QUEUES, "write the Id of a node group of its cluster"
            )
        else:
            yield Effect(
                Danger.INTERRUPTS, f"jobs of {edit.name} also run on {name}", source.QUEUES
            )
    for group in _others(was, now):
        name = _group(edit.pair.old, group) or _id(group)
        says = f"further jobs of {edit.name} no longer run on {name}"
        yield Effect(Danger.REDUCES_CAPACITY, says, source.QUEUES)


def _others(these: Any, those: Any) -> list[Any]:
    """Return the node groups that are not in another list, also not by another attribute."""
    known = {key_at(group, "ComputeNodeGroupId") for group in lost(those, these)} - {None}
    return [g for g in lost(these, those) if key_at(g, "ComputeNodeGroupId") not in known]


def _id(group: Any) -> str:
    return quoted(at(group, ("ComputeNodeGroupId",)))


def _group(variant: Model, group: Any) -> str | None:
    """Return what a node group of a queue is called, None where no template makes it."""
    name = key_at(group, "ComputeNodeGroupId")
    if name is None:
        return "a node group that is not known from the templates"
    found = variant.at(name)
    return named(found) if found else None
