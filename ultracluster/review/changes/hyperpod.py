"""Instance groups of HyperPod clusters."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.changes.capacity import accelerators
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.rules import Edit, Effect, when_changed
from ultracluster.review.changes.sources import HYPERPOD as SCALED_DOWN
from ultracluster.review.changes.values import at, count, differs, entries
from ultracluster.review.changes.wording import quoted

HYPERPOD: Final = "AWS::SageMaker::Cluster"


@when_changed(HYPERPOD)
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
        yield Effect(Danger.REDUCES_CAPACITY, says + more, SCALED_DOWN)
    elif now > was:
        yield Effect(Danger.COSTS_MORE, says, SCALED_DOWN)
    if not old or not new:
        return
    if differs(old.get("InstanceType"), new.get("InstanceType")):
        yield Effect(
            Danger.INTERRUPTS,
            f"group {name} becomes one of {quoted(new.get('InstanceType'))}, where HyperPod allows "
            "it at all: its nodes have to be replaced",
            f"{SCALED_DOWN}: it says both that a group's type can change and that it must match",
            "add a group of the new type, then remove the old one",
        )
    rest = {name for name in {*old, *new} if differs(old.get(name), new.get(name))}
    if rest := rest - {"InstanceCount", "InstanceType"}:
        says = f"{', '.join(sorted(rest))} of group {name} apply to nodes that are made from now on"
        more = "; a running node must be replaced for it"
        yield Effect(Danger.INTERRUPTS, says + more, SCALED_DOWN)
