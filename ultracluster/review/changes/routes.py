"""Networks: what traffic takes another way, or none."""

from collections.abc import Iterator
from typing import Final

from ultracluster.model.model import Model
from ultracluster.model.networks import DESTINATIONS
from ultracluster.model.traffic import ANYWHERE
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.rules import Edit, Effect, when_added, when_changed, when_removed
from ultracluster.review.known import known_text, or_none, read
from ultracluster.review.naming import quoted, service_name
from ultracluster.review.tables import ADDRESSES, ENDPOINTS, PRICES, ROUTES
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import written
from ultracluster.templates.texts import identity

ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
ROUTE: Final = "AWS::EC2::Route"
ENTRY: Final = "AWS::EC2::NetworkAclEntry"
BILLED: Final = f"billed by the hour and by the GB ({PRICES})"


def _service(endpoint: ResolvedResource) -> str:
    return service_name(written(endpoint.properties.get("ServiceName")))


def _without(edit: Edit) -> Iterator[Effect]:
    name = _service(edit.resource)
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
        f"an endpoint is the only private way to a service ({ENDPOINTS}); open connections break",
        "keep the endpoint",
    )


@when_removed(ENDPOINT)
def endpoint_removed(edit: Edit) -> Iterator[Effect]:
    service = identity(edit.resource.properties.get("ServiceName"))
    others = edit.pair.new.of(ENDPOINT)
    if any(identity(other.properties.get("ServiceName")) == service for other in others):
        says = f"calls to {_service(edit.resource)} change over to another endpoint"
        yield Effect(Danger.INTERRUPTS, says, f"open connections break ({ENDPOINTS})")
    else:
        yield from _without(edit)


@when_added(ENDPOINT)
def endpoint_added(edit: Edit) -> Iterator[Effect]:
    name = _service(edit.resource)
    kind = known_text(edit.resource.properties.get("VpcEndpointType"))
    if kind in (None, "Gateway"):
        says = f"calls to {name} stay in the VPC, at no charge"
        yield Effect(Danger.HARMLESS, says, PRICES)
    else:
        says = f"an endpoint for {name} is billed in each of its subnets"
        yield Effect(Danger.COSTS_MORE, says, f"interface endpoints are {BILLED}")


@when_changed(ENDPOINT)
def endpoint_changed(edit: Edit) -> Iterator[Effect]:
    name = _service(edit.resource)
    if edit.path == ("PrivateDnsEnabled",):
        if known_text(edit.now) != "true":
            yield from _without(edit)
        else:
            yield Effect(Danger.HARMLESS, f"calls to {name} go through the endpoint", ENDPOINTS)


def _destination(route: ResolvedResource) -> str:
    names = (*DESTINATIONS, "DestinationPrefixListId")
    return quoted(next((route.properties[n] for n in names if n in route.properties), None))


def _to_internet(model: Model, route: ResolvedResource) -> bool:
    target = route.properties.get("GatewayId")
    gateway = or_none(read(model.found, target, "AWS::EC2::InternetGateway"))
    return gateway is not None or str(target).startswith("igw-")


@when_changed(ROUTE)
def route_changed(edit: Edit) -> Iterator[Effect]:
    if edit.old is None or edit.new is None or edit.beside:
        return
    says = f"traffic to {_destination(edit.old)} takes another way; connections that are open break"
    yield Effect(Danger.INTERRUPTS, says, f"the route changes {edit.path[0]} ({ROUTES})")
    if _to_internet(edit.pair.new, edit.new) and not _to_internet(edit.pair.old, edit.old):
        says = f"traffic to {_destination(edit.new)} goes to the internet gateway: a public address"
        yield Effect(Danger.LOOSENS_SECURITY, f"{says} is enough to be reached", ROUTES)


@when_added(ROUTE)
def route_added(edit: Edit) -> Iterator[Effect]:
    name = _destination(edit.resource)
    if _to_internet(edit.pair.new, edit.resource) or name in ANYWHERE:
        why = f"no route led there before ({ROUTES})"
        yield Effect(Danger.LOOSENS_SECURITY, f"there is a way to {name}", why)


@when_removed(ROUTE)
def route_removed(edit: Edit) -> Iterator[Effect]:
    says = f"traffic to {_destination(edit.resource)} has no route"
    yield Effect(Danger.INTERRUPTS, says, f"packets without a route are dropped ({ROUTES})")


@when_added("AWS::EC2::VPCGatewayAttachment")
def gateway_attached(edit: Edit) -> Iterator[Effect]:
    if known_text(edit.resource.properties.get("VpnGatewayId")) is None:
        says = "with a route and a public address what is in the VPC can be reached from the "
        yield Effect(Danger.LOOSENS_SECURITY, f"{says}internet", ADDRESSES)


@when_changed(ENTRY)
@when_added(ENTRY)
@when_removed(ENTRY)
def entry_changed(edit: Edit) -> Iterator[Effect]:
    """Judge an entry of a network ACL by what it allows or denies."""
    was, now = (known_text(value) for value in edit.both("RuleAction"))
    if now == "allow" or was == "deny":
        why = f"an allowing entry is new or changes, or a denying one goes or changes ({ROUTES})"
        yield Effect(Danger.LOOSENS_SECURITY, f"{edit.name} lets more pass, or denies less", why)
    if was == "allow" or now == "deny":
        why = f"an allowing entry goes or changes, or a denying one is new or changes ({ROUTES})"
        yield Effect(Danger.INTERRUPTS, f"{edit.name} lets less pass, or denies more", why)
