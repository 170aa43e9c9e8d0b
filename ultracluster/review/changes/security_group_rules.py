"""What security groups let pass before and after."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

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
from ultracluster.review.changes.sources import EFA, GROUP_RULES, NO_EGRESS
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import Site, Verdict, changed, coming, going
from ultracluster.review.changes.words import named
from ultracluster.templates.reading import Key, UndeterminedError, key, shown
from ultracluster.templates.resolved import ResolvedResource, Unknown


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


def _of_group(side: Side, group: Key | None) -> list[GroupRule]:
    """Return all rules of a group, also those that are resources of their own."""
    if group is None:
        return []
    found = side.groups.known.get(group)
    return [*(found.rules if found else ()), *side.groups.outside.get(group, ())]


def _inline(side: Side, group: Key | None, direction: str) -> list[GroupRule]:
    rules = _of_group(side, group)
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


def _words(flow: Flow, side: Side) -> str:
    what = str(flow.traffic).replace(", all ports", " on all ports")
    return f"{what} {'from' if flow.direction == 'in' else 'to'} {_peer(flow, side)}"


def _peer(flow: Flow, side: Side) -> str:
    if flow.peer is None:
        return "a peer that the templates do not tell"
    if flow.peer in ANYWHERE:
        return f"anybody on the internet ({flow.peer})"
    return _name(flow.peer, side) or shown(flow.peer)


def _name(group: Key | None, *sides: Side) -> str | None:
    found = (side.resources.get(group) for side in sides)  # type: ignore[arg-type]
    return next((named(resource) for resource in found if resource), None)


def _compared(
    site: Site,
    before: Sequence[Flow],
    after: Sequence[Flow],
    groups: tuple[Key | None, Key | None],
) -> Iterator[Verdict]:
    """Judge what rules let pass before and after, beside all other rules of their group."""
    old, new = groups
    sides = site.moment.old, site.moment.new
    had, has = _flows(_of_group(sides[0], old)), _kept(_of_group(sides[1], new))
    if old != new and old is not None and new is not None:
        # A group that has another name now: what names it is compared by that name.
        before, had = ([_renamed(f, old, new) for f in flows] for flows in (before, had))
    name = _name(new, sides[1]) or _name(old, sides[0])
    name = name or f"the security group {shown(new or old)}"
    for flow in after:
        if not any(other.covers(flow) for other in had):
            yield from _gained(site, name, new, flow)
    for flow in before:
        if not any(other.covers(flow) for other in has):
            yield _lost(site, name, new or old, flow)


def _renamed(flow: Flow, old: Key, new: Key) -> Flow:
    return replace(flow, peer=new) if flow.peer == old else flow


def _gained(site: Site, name: str, group: Any, flow: Flow) -> Iterator[Verdict]:
    anybody = flow.peer in ANYWHERE
    # Nothing that runs is in a group that is new.
    if group in site.update.pairing.added and not (anybody and flow.direction == "in"):
        return
    yield Verdict(
        Danger.LOOSENS_SECURITY,
        f"{name} lets {_words(flow, site.moment.new)} {flow.direction}",
        GROUP_RULES,
        "name the group or the block that needs it" if anybody else "",
    )


def _lost(site: Site, name: str, group: Key | None, flow: Flow) -> Verdict:
    words = f"{name} no longer lets {_words(flow, site.moment.old)} pass"
    if flow.traffic == Traffic(ALL) and flow.peer == group is not None:
        advice = "keep the rule, in both directions"
        return Verdict(Danger.INTERRUPTS, f"{words}: EFA stops between the nodes", EFA, advice)
    why = GROUP_RULES if flow.direction == "in" else f"{GROUP_RULES}; {NO_EGRESS}"
    return Verdict(Danger.INTERRUPTS, words, why)


def _or_same(site: Site, found: list[Verdict]) -> list[Verdict]:
    same = Verdict(Danger.HARMLESS, f"{site.name} lets the same pass as before", GROUP_RULES)
    return found or [same]


@changed(GROUP)
def rules_in_group_changed(site: Site) -> Iterator[Verdict]:
    for name, direction in INLINE.items():
        if site.touches(name):
            before = _flows(_inline(site.moment.old, site.old_key, direction))
            after = _kept(_inline(site.moment.new, site.new_key, direction))
            groups = (site.old_key, site.new_key)
            yield from _or_same(site, list(_compared(site, before, after, groups)))
            return


@changed(*SEPARATE)
def rule_changed(site: Site) -> Iterator[Verdict]:
    if site.path[0].startswith("@"):
        return
    old, new = _owner(site.old), _owner(site.new)
    before, after = _of_rule(site.old), _of_rule(site.new)
    if old == new:
        found = list(_compared(site, before, after, (old, new)))
    else:
        found = [*_compared(site, before, [], (old, old)), *_compared(site, [], after, (new, new))]
    yield from _or_same(site, found)


@coming(*SEPARATE)
def rule_added(site: Site) -> Iterator[Verdict]:
    group = _owner(site.new)
    yield from _compared(site, [], _of_rule(site.new), (group, group))


@coming(GROUP)
def group_added(site: Site) -> Iterator[Verdict]:
    after = _flows(_inline(site.moment.new, site.new_key, "in"))
    yield from _compared(site, [], after, (None, site.new_key))


@going(*SEPARATE)
def rule_removed(site: Site) -> Iterator[Verdict]:
    group = _owner(site.old)
    found = list(_compared(site, _of_rule(site.old), [], (group, group)))
    yield from found
    if not found:
        name = _name(group, site.moment.old) or f"the security group {shown(group)}"
        says = f"{name} lets the same pass without this rule"
        yield Verdict(Danger.HARMLESS, says, GROUP_RULES)
