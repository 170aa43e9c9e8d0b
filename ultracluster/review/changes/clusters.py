"""Clusters: the version and the queues of Slurm on AWS PCS, and instance groups of HyperPod."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ultracluster.model.model import Model
from ultracluster.registry.schemas import at
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.nodes import accelerators
from ultracluster.review.changes.update import Edit, Effect, when
from ultracluster.review.naming import named, quoted
from ultracluster.review.resolved import count, differs, entries, key_at, known_text, lost
from ultracluster.review.tables import HYPERPOD, QUEUES, SLURM_VERSION


@when("changed", "AWS::PCS::Cluster")
def version(edit: Edit) -> Iterator[Effect]:
    if edit.path != ("Scheduler", "Version"):
        return
    was, now = (known_text(value) for value in (edit.was, edit.now))
    older, newer = (
        [int(part) for part in re.findall("[0-9]{1,9}", value or "")] for value in (was, now)
    )
    if was and now and newer < older:
        says = f"Slurm {was} cannot become {now}: it does not go back to an older version"
        advice = "make a second cluster with the older version"
        yield Effect(Danger.FAILS, says, SLURM_VERSION, advice)
    else:
        says = f"Slurm goes from {was} to {now}: submitting and starting jobs waits while the "
        says += "controller changes, and the agent on the nodes has to fit it"
        yield Effect(Danger.INTERRUPTS, says, SLURM_VERSION, "drain the queues first")


@when("changed", "AWS::PCS::Queue")
def nodes_of_queue(edit: Edit) -> Iterator[Effect]:
    """Judge which node groups run the jobs of a queue."""
    if edit.path != ("ComputeNodeGroupConfigurations",):
        return
    was, now = edit.was or [], edit.now or []
    says = f"{edit.name} may take no new jobs while it changes, for minutes; running jobs go on"
    yield Effect(Danger.INTERRUPTS, says, QUEUES)
    for group in lost(now, was):
        name = _group(edit.pair.new, group)
        if name is None:
            says = f"{edit.name} names a node group that no given template makes: {_id(group)}"
            yield Effect(Danger.FAILS, says, QUEUES, "write the Id of a node group of its cluster")
        else:
            yield Effect(Danger.INTERRUPTS, f"jobs of {edit.name} also run on {name}", QUEUES)
    for group in lost(was, now):
        name = _group(edit.pair.old, group) or _id(group)
        says = f"further jobs of {edit.name} no longer run on {name}"
        yield Effect(Danger.REDUCES_CAPACITY, says, QUEUES)


def _id(group: Any) -> str:
    return quoted(at(group, ("ComputeNodeGroupId",)))


def _group(variant: Model, group: Any) -> str | None:
    """Return what a node group of a queue is called, None where no template makes it."""
    name = key_at(group, "ComputeNodeGroupId")
    if name is None:
        return "a node group that the templates do not tell"
    found = variant.at(name)
    return named(found) if found else None


@when("changed", "AWS::SageMaker::Cluster")
def instance_groups(edit: Edit) -> Iterator[Effect]:
    if edit.path[0] in ("InstanceGroups", "RestrictedInstanceGroups"):
        old, new = (
            {quoted(group.get("InstanceGroupName")): group for group in entries(value)}
            for value in (edit.was, edit.now)
        )
        for name in {**old, **new}:
            yield from _instance_group(name, old.get(name, {}), new.get(name, {}))


def _instance_group(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Effect]:
    was, now = (count(at(group, ("InstanceCount",))) or 0 for group in (old, new))
    kind = (new or old).get("InstanceType")
    says = f"group {name} has {accelerators(kind, now)} instead of {was:,}"
    if now < was:
        more = "; the others are deleted with what runs on them"
        yield Effect(Danger.REDUCES_CAPACITY, says + more, HYPERPOD)
    elif now > was:
        yield Effect(Danger.COSTS_MORE, says, HYPERPOD)
    if not old or not new:
        return
    if differs(old.get("InstanceType"), new.get("InstanceType")):
        yield Effect(
            Danger.INTERRUPTS,
            f"group {name} becomes one of {quoted(new.get('InstanceType'))}, where HyperPod allows "
            "it at all: its nodes have to be replaced",
            f"{HYPERPOD}: it says both that a group's type can change and that it must match",
            "add a group of the new type, then remove the old one",
        )
    rest = {name for name in {*old, *new} if differs(old.get(name), new.get(name))}
    if rest := rest - {"InstanceCount", "InstanceType"}:
        says = f"{', '.join(sorted(rest))} of group {name} apply to nodes that are made from now on"
        more = "; a running node must be replaced for it"
        yield Effect(Danger.INTERRUPTS, says + more, HYPERPOD)
