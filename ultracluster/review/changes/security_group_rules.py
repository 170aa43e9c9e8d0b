"""What security groups let pass before and after."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ultracluster.model.model import Model
from ultracluster.model.security_groups import (
    DEFAULT_EGRESS,
    GROUP,
    INLINE,
    SEPARATE,
    Flow,
    GroupRule,
)
from ultracluster.model.traffic import ALL, ANYWHERE, Traffic
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.rules import Edit, Effect, when_added, when_changed, when_removed
from ultracluster.review.changes.sources import EFA, GROUP_RULES, NO_EGRESS
from ultracluster.review.naming import named
from ultracluster.templates.resolved import ResolvedResource, Unknown
from ultracluster.templates.resolved_values import Key, UndeterminedError, key, shown


def _flow(rule: GroupRule) -> Flow | None:
    """Return what a rule lets pass, without what is not known of it."""
    if rule.kind == "unknown" and not isinstance(rule.stated, Unknown):
        # EC2 refuses a rule without a peer; it lets nobody pass.
        return None
    try:
        found = rule.flow()
    except UndeterminedError:
        return Flow(rule.direction, None, _traffic(rule))
    if found and isinstance(found.peer, tuple):
        # The reason why a peer is not known is no part of it.
        return replace(found, peer=found.peer[:2])
    return found


def _traffic(rule: GroupRule) -> Traffic:
    try:
        return rule.traffic
    except UndeterminedError:
        return Traffic(ALL)


def _flows(rules: Iterable[GroupRule]) -> list[Flow]:
    return [flow for rule in rules if (flow := _flow(rule)) is not None]


def _of_rule(rule: ResolvedResource | None) -> list[Flow]:
    if rule is None or rule.resource_type not in SEPARATE:
        return []
    return _flows([GroupRule(rule.place, SEPARATE[rule.resource_type], rule.properties)])


def _of_group(variant: Model, group: Key | None) -> list[GroupRule]:
    """Return all rules of a group, also those that are resources of their own."""
    if group is None:
        return []
    found = variant.groups.known.get(group)
    return [*(found.rules if found else ()), *variant.groups.outside.get(group, ())]


def _inline(variant: Model, group: Key | None, direction: str) -> list[GroupRule]:
    rules = _of_group(variant, group)
    return [rule for rule in rules if rule.direction == direction and not rule.separate]


def _kept(rules: Iterable[GroupRule]) -> list[Flow]:
    """Return what rules let pass after an update.

    EC2's default egress comes with a new group alone: a group that is there does not get it when
    its rules go.
    """
    return _flows(rule for rule in rules if rule.stated is not DEFAULT_EGRESS)


def _owner(rule: ResolvedResource | None) -> Key | None:
    """Return the group of a rule that is a resource of its own."""
    try:
        name = key(rule.properties.get("GroupId")) if rule else None
    except UndeterminedError:
        return None
    return name[:2] if isinstance(name, tuple) else name


def _words(flow: Flow, variant: Model) -> str:
    what = str(flow.traffic).replace(", all ports", " on all ports")
    return f"{what} {'from' if flow.direction == 'in' else 'to'} {_peer(flow, variant)}"


def _peer(flow: Flow, variant: Model) -> str:
    if flow.peer is None:
        return "a peer that the templates do not tell"
    if flow.peer in ANYWHERE:
        return f"anybody on the internet ({flow.peer})"
    return _name(flow.peer, variant) or shown(flow.peer)


def _name(group: Key | None, *variants: Model) -> str | None:
    found = (variant.at(group) for variant in variants if group is not None)
    return next((named(resource) for resource in found if resource), None)


def _compared(
    edit: Edit, before: Sequence[Flow], after: Sequence[Flow], groups: tuple[Key | None, Key | None]
) -> Iterator[Effect]:
    """Judge what rules let pass before and after, beside all other rules of their group."""
    old, new = groups
    variants = edit.pair.old, edit.pair.new
    had, has = _flows(_of_group(variants[0], old)), _kept(_of_group(variants[1], new))
    if old != new and old is not None and new is not None:
        # A group that has another name now: what names it is compared by that name.
        before, had = ([_renamed(f, old, new) for f in flows] for flows in (before, had))
    name = _name(new, variants[1]) or _name(old, variants[0])
    name = name or f"the security group {shown(new or old)}"
    for flow in after:
        if not any(other.covers(flow) for other in had):
            yield from _gained(edit, name, new, flow)
    for flow in before:
        if not any(other.covers(flow) for other in has):
            yield _lost(edit, name, new or old, flow)


def _renamed(flow: Flow, old: Key, new: Key) -> Flow:
    return replace(flow, peer=new) if flow.peer == old else flow


def _gained(edit: Edit, name: str, group: Any, flow: Flow) -> Iterator[Effect]:
    anybody = flow.peer in ANYWHERE
    # Nothing that runs is in a group that is new.
    if group in edit.update.pairing.added and not (anybody and flow.direction == "in"):
        return
    yield Effect(
        Danger.LOOSENS_SECURITY,
        f"{name} lets {_words(flow, edit.pair.new)} {flow.direction}",
        GROUP_RULES,
        "name the group or the block that needs it" if anybody else "",
    )


def _lost(edit: Edit, name: str, group: Key | None, flow: Flow) -> Effect:
    words = f"{name} no longer lets {_words(flow, edit.pair.old)} pass"
    if flow.traffic == Traffic(ALL) and flow.peer == group is not None:
        advice = "keep the rule, in both directions"
        return Effect(Danger.INTERRUPTS, f"{words}: EFA stops between the nodes", EFA, advice)
    why = GROUP_RULES if flow.direction == "in" else f"{GROUP_RULES}; {NO_EGRESS}"
    return Effect(Danger.INTERRUPTS, words, why)


def _or_same(edit: Edit, found: list[Effect]) -> list[Effect]:
    same = Effect(Danger.HARMLESS, f"{edit.name} lets the same pass as before", GROUP_RULES)
    return found or [same]


@when_changed(GROUP)
def rules_in_group_changed(edit: Edit) -> Iterator[Effect]:
    for name, direction in INLINE.items():
        if edit.touches(name):
            before = _flows(_inline(edit.pair.old, edit.old_key, direction))
            after = _kept(_inline(edit.pair.new, edit.new_key, direction))
            groups = (edit.old_key, edit.new_key)
            yield from _or_same(edit, list(_compared(edit, before, after, groups)))
            return


@when_changed(*SEPARATE)
@when_added(*SEPARATE)
def rule(edit: Edit) -> Iterator[Effect]:
    """Judge a rule that is a resource of its own: what it lets pass, and in which group."""
    if edit.beside:
        return
    old, new = _owner(edit.old), _owner(edit.new)
    before, after = _of_rule(edit.old), _of_rule(edit.new)
    if edit.old is None or old == new:
        found = list(_compared(edit, before, after, (new, new)))
    else:
        found = [*_compared(edit, before, [], (old, old)), *_compared(edit, [], after, (new, new))]
    yield from _or_same(edit, found) if edit.path else found


@when_added(GROUP)
def group_added(edit: Edit) -> Iterator[Effect]:
    after = _flows(_inline(edit.pair.new, edit.new_key, "in"))
    yield from _compared(edit, [], after, (None, edit.new_key))


@when_removed(*SEPARATE)
def rule_removed(edit: Edit) -> Iterator[Effect]:
    group = _owner(edit.old)
    found = list(_compared(edit, _of_rule(edit.old), [], (group, group)))
    yield from found
    if not found:
        name = _name(group, edit.pair.old) or f"the security group {shown(group)}"
        says = f"{name} lets the same pass without this rule"
        yield Effect(Danger.HARMLESS, says, GROUP_RULES)
