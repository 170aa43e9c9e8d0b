"""Networks: what traffic takes another way or none, and what security groups let pass."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.networks import DESTINATIONS
from ultracluster.model.security_groups import (
    DEFAULT_EGRESS,
    GROUP,
    INLINE,
    SEPARATE,
    GroupRule,
)
from ultracluster.model.traffic import ALL, ANYWHERE, Flow, Passing, Traffic, traffic
from ultracluster.review import tables as source
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.update import Edit, Effect, when
from ultracluster.review.naming import named, quoted, service_name
from ultracluster.review.resolved import NotKnown, key_at, known_text, or_none, read
from ultracluster.templates.resolved import ResolvedResource, Unknown
from ultracluster.templates.resolved_values import Key, shown
from ultracluster.templates.texts import identity

ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
ROUTE: Final = "AWS::EC2::Route"
ENTRY: Final = "AWS::EC2::NetworkAclEntry"
BILLED: Final = f"billed by the hour and by the GB ({source.PRICES})"


def _without(edit: Edit, name: str) -> Iterator[Effect]:
    nat = any(
        known_text(route.properties.get("DestinationCidrBlock")) in ANYWHERE
        and route.properties.get("NatGatewayId") is not None
        for route in edit.pair.new.of(ROUTE)
    )
    if nat:
        where = "they go out over the NAT gateway and the internet"
        says = f"every GB to {name} is billed by the NAT gateway"
        yield Effect(Danger.COSTS_MORE, says, f"NAT gateways are {BILLED}")
    else:
        where = "no other way out is in these templates, and they fail"
    yield Effect(
        Danger.INTERRUPTS,
        f"calls to {name} no longer go through the endpoint: {where}",
        f"open connections break; no other way to a service is private ({source.ENDPOINTS})",
        "keep the endpoint",
    )


@when("removed", ENDPOINT)
def endpoint_removed(edit: Edit) -> Iterator[Effect]:
    own, others = edit.resource.properties, edit.pair.new.of(ENDPOINT)
    service, name = identity(own.get("ServiceName")), service_name(own)
    if any(identity(other.properties.get("ServiceName")) == service for other in others):
        says = f"calls to {name} change over to another endpoint"
        yield Effect(Danger.INTERRUPTS, says, f"open connections break ({source.ENDPOINTS})")
    else:
        yield from _without(edit, name)


@when("added", ENDPOINT)
def endpoint_added(edit: Edit) -> Iterator[Effect]:
    own = edit.resource.properties
    name = service_name(own)
    if known_text(own.get("VpcEndpointType")) in (None, "Gateway"):
        yield Effect(
            Danger.HARMLESS, f"calls to {name} stay in the VPC, at no charge", source.PRICES
        )
    else:
        says = f"an endpoint for {name} is billed in each of its subnets"
        yield Effect(Danger.COSTS_MORE, says, f"interface endpoints are {BILLED}")


@when("changed", ENDPOINT)
def endpoint_changed(edit: Edit) -> Iterator[Effect]:
    name = service_name(edit.resource.properties)
    if edit.path == ("PrivateDnsEnabled",) and known_text(edit.now) != "true":
        yield from _without(edit, name)
    elif edit.path == ("PrivateDnsEnabled",):
        yield Effect(Danger.HARMLESS, f"calls to {name} go through the endpoint", source.ENDPOINTS)


def _destination(route: ResolvedResource) -> str:
    names = (*DESTINATIONS, "DestinationPrefixListId")
    return quoted(next((route.properties[n] for n in names if n in route.properties), None))


def _to_internet(model: Model, route: ResolvedResource) -> bool:
    target = route.properties.get("GatewayId")
    gateway = or_none(read(model.find, target, "AWS::EC2::InternetGateway"))
    return gateway is not None or str(target).startswith("igw-")


@when("changed", ROUTE)
def route_changed(edit: Edit) -> Iterator[Effect]:
    was, now = edit.former, edit.resource
    says = f"traffic to {_destination(was)} takes another way; connections that are open break"
    yield Effect(Danger.INTERRUPTS, says, f"the route changes {edit.path[0]} ({source.ROUTES})")
    if _to_internet(edit.pair.new, now) and not _to_internet(edit.pair.old, was):
        says = f"traffic to {_destination(now)} goes to the internet gateway: a public address"
        yield Effect(Danger.LOOSENS_SECURITY, f"{says} is enough to be reached", source.ROUTES)


@when("added", ROUTE)
def route_added(edit: Edit) -> Iterator[Effect]:
    name = _destination(edit.resource)
    if _to_internet(edit.pair.new, edit.resource) or name in ANYWHERE:
        why = f"no route led there before ({source.ROUTES})"
        yield Effect(Danger.LOOSENS_SECURITY, f"there is a way to {name}", why)


@when("removed", ROUTE)
def route_removed(edit: Edit) -> Iterator[Effect]:
    says = f"traffic to {_destination(edit.resource)} has no route"
    yield Effect(Danger.INTERRUPTS, says, f"packets without a route are dropped ({source.ROUTES})")


@when("added", "AWS::EC2::VPCGatewayAttachment")
def gateway_attached(edit: Edit) -> Iterator[Effect]:
    if known_text(edit.resource.properties.get("VpnGatewayId")) is None:
        says = "with a route and a public address what is in the VPC can be reached from the "
        yield Effect(Danger.LOOSENS_SECURITY, f"{says}internet", source.ADDRESSES)


@when("changed", ENTRY)
@when("added", ENTRY)
@when("removed", ENTRY)
def entry_changed(edit: Edit) -> Iterator[Effect]:
    """Judge an entry of a network ACL by what it allows or denies."""
    was, now = (known_text(value) for value in edit.both("RuleAction"))
    if now == "allow" or was == "deny":
        says = f"{edit.name} lets more pass, or denies less"
        why = "an allowing entry is new or changes, or a denying one goes or changes"
        yield Effect(Danger.LOOSENS_SECURITY, says, f"{why} ({source.ROUTES})")
    if was == "allow" or now == "deny":
        says = f"{edit.name} lets less pass, or denies more"
        why = "an allowing entry goes or changes, or a denying one is new or changes"
        yield Effect(Danger.INTERRUPTS, says, f"{why} ({source.ROUTES})")


def _flows(rules: Iterable[GroupRule]) -> list[Flow]:
    """Return what rules let pass, without what is not known of it."""
    found = []
    for rule in rules:
        flow = read(rule.flow)
        if isinstance(flow, NotKnown):
            flow = Flow(rule.direction, None, or_none(read(traffic, rule.stated)) or Traffic(ALL))
        # EC2 refuses a rule without a peer; it lets nobody pass.
        if flow is not None and (rule.kind != "unknown" or isinstance(rule.stated, Unknown)):
            found.append(flow)
    return found


def _of_group(model: Model, group: Key | None) -> list[GroupRule]:
    """Return all rules of a group, also those that are resources of their own."""
    found = model.groups.known.get(group or "")
    return [*(found.rules if found else ()), *model.groups.outside.get(group or "", ())]


def _inline(model: Model, group: Key | None, direction: str) -> list[GroupRule]:
    rules = _of_group(model, group)
    return [rule for rule in rules if rule.direction == direction and not rule.separate]


def _kept(rules: Iterable[GroupRule]) -> list[Flow]:
    """Return what rules let pass after an update.

    EC2's default egress comes with a new group alone: a group that is there does not get it when
    its rules go.
    """
    return _flows(rule for rule in rules if rule.stated is not DEFAULT_EGRESS)


def _passing(
    model: Model, group: Key | None, flows: Callable[[Iterable[GroupRule]], list[Flow]]
) -> Passing:
    """Return what the rules of a group let pass, worked out once for all of its rules."""
    found = model.groups.known.get(group or "") or model.groups.outside.get(group or "")
    return model.once(flows.__name__, found, lambda: Passing(flows(_of_group(model, group))))


def _words(edit: Edit, flow: Flow) -> str:
    peer = "a peer that is not known from the templates"
    if flow.peer is not None:
        anybody = flow.peer in ANYWHERE
        peer = f"anybody on the internet ({flow.peer})" if anybody else _name(edit, flow.peer, "")
    what = str(flow.traffic).replace(", all ports", " on all ports")
    return f"{what} {'from' if flow.direction == 'in' else 'to'} {peer}"


def _name(edit: Edit, key: Any, otherwise: str = "the security group ") -> str:
    """Return what a group is called; of one that no template has, what refers to it."""
    found = edit.pair.new.at(key) or edit.pair.old.at(key)
    return named(found) if found else f"{otherwise}{shown(key)}"


def _compared(
    edit: Edit, before: Sequence[Flow], after: Sequence[Flow], old: Key | None, new: Key | None
) -> Iterator[Effect]:
    """Judge what rules let pass before and after, beside all other rules of their group."""
    had, has = _passing(edit.pair.old, old, _flows), _passing(edit.pair.new, new, _kept)
    if old != new and old is not None and new is not None:
        # A group that has another name now: what names it is compared by that name.
        before, all_before = (
            [replace(flow, peer=new) if flow.peer == old else flow for flow in flows]
            for flows in (before, _flows(_of_group(edit.pair.old, old)))
        )
        had = Passing(all_before)
    for flow in after:
        if not had.covers(flow):
            yield from _gained(edit, new, flow)
    for flow in before:
        if not has.covers(flow):
            yield _lost(edit, new or old, flow)


def _gained(edit: Edit, group: Any, flow: Flow) -> Iterator[Effect]:
    anybody = flow.peer in ANYWHERE
    # Nothing that runs is in a group that is new.
    if group in edit.update.added and not (anybody and flow.direction == "in"):
        return
    yield Effect(
        Danger.LOOSENS_SECURITY,
        f"{_name(edit, group)} lets {_words(edit, flow)} {flow.direction}",
        source.GROUP_RULES,
        "name the group or the block that needs it" if anybody else "",
    )


def _lost(edit: Edit, group: Key | None, flow: Flow) -> Effect:
    words = f"{_name(edit, group)} no longer lets {_words(edit, flow)} pass"
    if flow.traffic == Traffic(ALL) and flow.peer == group is not None:
        advice = "keep the rule, in both directions"
        return Effect(
            Danger.INTERRUPTS, f"{words}: EFA stops between the nodes", source.EFA, advice
        )
    why = (
        source.GROUP_RULES
        if flow.direction == "in"
        else f"{source.GROUP_RULES}; {source.NO_EGRESS}"
    )
    return Effect(Danger.INTERRUPTS, words, why)


def _same(edit: Edit, group: Key | None) -> Effect:
    return Effect(
        Danger.HARMLESS, f"{_name(edit, group)} lets the same pass as before", source.GROUP_RULES
    )


@when("changed", GROUP)
def rules_in_group_changed(edit: Edit) -> Iterator[Effect]:
    old, new = edit.old_key, edit.new_key
    for name, direction in INLINE.items():
        if edit.touches(name):
            before = _flows(_inline(edit.pair.old, old, direction))
            after = _kept(_inline(edit.pair.new, new, direction))
            yield from list(_compared(edit, before, after, old, new)) or [_same(edit, new)]
            return


@when("added", GROUP)
def group_added(edit: Edit) -> Iterator[Effect]:
    after = _flows(_inline(edit.pair.new, edit.new_key, "in"))
    yield from _compared(edit, [], after, None, edit.new_key)


@when("changed", *SEPARATE)
@when("added", *SEPARATE)
@when("removed", *SEPARATE)
def rule(edit: Edit) -> Iterator[Effect]:
    """Judge a rule that is a resource of its own: what it lets pass, and in which group."""
    sides = [
        side if side and side.resource_type in SEPARATE else None for side in (edit.old, edit.new)
    ]
    old, new = (key_at(side.properties, "GroupId") if side else None for side in sides)
    before, after = (
        _flows([GroupRule(s.place, SEPARATE[s.resource_type], s.properties)] if s else [])
        for s in sides
    )
    if old == new:
        found = list(_compared(edit, before, after, new, new))
    else:
        found = [*_compared(edit, before, [], old, old), *_compared(edit, [], after, new, new)]
    yield from found
    if not found and edit.old:
        yield _same(edit, new or old)
