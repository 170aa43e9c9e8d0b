"""Instance groups of HyperPod clusters."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.changes.capacity import accelerators
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.data import entries
from ultracluster.review.changes.sources import HYPERPOD as SCALED_DOWN
from ultracluster.review.changes.sources import unverified
from ultracluster.review.changes.verdict import Site, Verdict, at, changed, differs
from ultracluster.review.changes.words import count, known_text, quoted

HYPERPOD: Final = "AWS::SageMaker::Cluster"


@changed(HYPERPOD)
def instance_groups(site: Site) -> Iterator[Verdict]:
    """Judge the instance groups of a HyperPod cluster."""
    if site.path[0] not in ("InstanceGroups", "RestrictedInstanceGroups"):
        if site.path == ("NodeRecovery",):
            off = known_text(site.now) == "None"
            yield Verdict(
                Danger.REDUCES_CAPACITY if off else Danger.HARMLESS,
                f"faulty nodes are {'no longer ' if off else ''}replaced by themselves",
                unverified("HyperPod: NodeRecovery"),
            )
        return
    old, new = (_by_name(value) for value in (site.was, site.now))
    for name in [*old, *(n for n in new if n not in old)]:
        yield from _instance_group(name, old.get(name), new.get(name))


def _by_name(groups: Any) -> dict[str, Mapping[str, Any]]:
    return {quoted(group.get("InstanceGroupName")): group for group in entries(groups)}


def _instance_group(
    name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[Verdict]:
    was, now = (count(at(g, ("InstanceCount",))) or 0 if g else 0 for g in (old, new))
    kind = at(new or old, ("InstanceType",))
    if now < was:
        yield Verdict(
            Danger.REDUCES_CAPACITY,
            f"group {name} has {accelerators(kind, now)} instead of {was:,}; the others "
            "are deleted with what runs on them",
            SCALED_DOWN,
        )
    elif now > was:
        yield Verdict(
            Danger.COSTS_MORE,
            f"group {name} has {accelerators(kind, now)} instead of {was:,}",
            SCALED_DOWN,
        )
    if not old or not new:
        return
    if differs(old.get("InstanceType"), new.get("InstanceType")):
        yield Verdict(
            Danger.INTERRUPTS,
            f"group {name} becomes one of {quoted(new.get('InstanceType'))}, where HyperPod allows "
            "it at all: its nodes have to be made anew",
            f"{SCALED_DOWN}: it says both that a group's type can change and that it must match",
            "add a group of the new type, then remove the old one",
        )
    rest = [
        part
        for part in {*old, *new}
        if part not in ("InstanceCount", "InstanceType") and differs(old.get(part), new.get(part))
    ]
    if rest:
        yield Verdict(
            Danger.INTERRUPTS,
            f"{', '.join(sorted(rest))} of group {name} hold for nodes that are made from now on; "
            "a running node must be replaced for it",
            SCALED_DOWN,
        )
