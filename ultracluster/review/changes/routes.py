"""Networks: what traffic takes another way, or none."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.model.traffic import ANYWHERE
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.sources import ADDRESSES, ENDPOINTS, PRICES, ROUTES
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import Site, Verdict, changed, coming, going
from ultracluster.review.changes.words import known_text, quoted
from ultracluster.templates.reading import items
from ultracluster.templates.resolved import ResolvedResource, Text
from ultracluster.templates.texts import identity

ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
ROUTE: Final = "AWS::EC2::Route"
ENTRY: Final = "AWS::EC2::NetworkAclEntry"
BILLED: Final = f"billed by the hour and by the GB ({PRICES})"


def lost(was: Any, now: Any) -> list[Any]:
    """Return the items of one list that another lacks."""
    kept = {identity(item) for item in _items(now)}
    return [item for item in _items(was) if identity(item) not in kept]


def _items(value: Any) -> list[Any]:
    try:
        return items(value)
    except LookupError:
        return [value]


def _service(endpoint: ResolvedResource) -> str:
    """Return the service of an endpoint in short: `s3`, `ecr.api`."""
    name = endpoint.properties.get("ServiceName")
    if isinstance(name, Text):
        last = next((p for p in reversed(name.parts) if isinstance(p, str)), "")
        return last.strip(".") or quoted(name)
    written = known_text(name) or quoted(name)
    parts = written.split(".")
    return ".".join(parts[3:]) if written.startswith("com.amazonaws.") else written


def _without(site: Site) -> Iterator[Verdict]:
    """Yield what happens to calls that went through an endpoint."""
    name = _service(site.resource)
    nat = any(
        known_text(route.properties.get("DestinationCidrBlock")) in ANYWHERE
        and route.properties.get("NatGatewayId") is not None
        for route in site.moment.new.of(ROUTE)
    )
    if nat:
        where = "they go out over the NAT gateway and the internet"
        says = f"every GB to {name} is billed by the NAT gateway"
        yield Verdict(Danger.COSTS_MORE, says, f"NAT gateways are {BILLED}")
    else:
        where = "no other way out is in these templates, and they fail"
    yield Verdict(
        Danger.INTERRUPTS,
        f"calls to {name} no longer go through the endpoint: {where}",
        f"an endpoint is the only private way to a service ({ENDPOINTS}); open connections break",
        "keep the endpoint",
    )


@going(ENDPOINT)
def endpoint_removed(site: Site) -> Iterator[Verdict]:
    service = identity(site.resource.properties.get("ServiceName"))
    others = site.moment.new.of(ENDPOINT)
    if any(identity(other.properties.get("ServiceName")) == service for other in others):
        says = f"calls to {_service(site.resource)} change over to another endpoint"
        yield Verdict(Danger.INTERRUPTS, says, f"open connections break ({ENDPOINTS})")
    else:
        yield from _without(site)


@coming(ENDPOINT)
def endpoint_added(site: Site) -> Iterator[Verdict]:
    name = _service(site.resource)
    kind = known_text(site.resource.properties.get("VpcEndpointType"))
    if kind in (None, "Gateway"):
        says = f"calls to {name} stay in the VPC, at no charge"
        yield Verdict(Danger.HARMLESS, says, PRICES)
    else:
        says = f"an endpoint for {name} is billed in each of its subnets"
        yield Verdict(Danger.COSTS_MORE, says, f"interface endpoints are {BILLED}")


@changed(ENDPOINT)
def endpoint_changed(site: Site) -> Iterator[Verdict]:
    name = _service(site.resource)
    if site.path == ("PrivateDnsEnabled",):
        if known_text(site.now) != "true":
            yield from _without(site)
        else:
            yield Verdict(Danger.HARMLESS, f"calls to {name} go through the endpoint", ENDPOINTS)
    if site.path[0] not in ("SubnetIds", "RouteTableIds", "SecurityGroupIds"):
        return
    gone, come = lost(site.was, site.now), lost(site.now, site.was)
    billed = bool(come) and site.path[0] == "SubnetIds"
    if gone:
        says = f"the endpoint for {name} leaves {', '.join(map(quoted, gone))}"
        yield Verdict(Danger.INTERRUPTS, says, f"open connections through it break ({ENDPOINTS})")
    if billed:
        says = f"the endpoint for {name} is in {len(come)} more subnets"
        yield Verdict(Danger.COSTS_MORE, says, f"interface endpoints are {BILLED} in each zone")
    if not gone and not billed:
        yield Verdict(Danger.HARMLESS, f"the endpoint for {name} serves more", ENDPOINTS)


def _destination(route: ResolvedResource) -> str:
    names = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    return quoted(next((route.properties[n] for n in names if n in route.properties), None))


def _to_internet(side: Side, route: ResolvedResource) -> bool:
    target = route.properties.get("GatewayId")
    found = identity(target) or ""
    gateways = side.of("AWS::EC2::InternetGateway")
    return str(target).startswith("igw-") or any(
        found.startswith(f"@{g.place.stack}/{g.place.logical_id}/") for g in gateways
    )


@changed(ROUTE)
def route_changed(site: Site) -> Iterator[Verdict]:
    if site.old is None or site.new is None or site.path[0].startswith("@"):
        return
    says = f"traffic to {_destination(site.old)} takes another way; connections that are open break"
    yield Verdict(Danger.INTERRUPTS, says, f"the route changes {site.path[0]} ({ROUTES})")
    if _to_internet(site.moment.new, site.new) and not _to_internet(site.moment.old, site.old):
        says = f"traffic to {_destination(site.new)} goes to the internet gateway: a public address"
        yield Verdict(Danger.LOOSENS_SECURITY, f"{says} is enough to be reached", ROUTES)


@coming(ROUTE)
def route_added(site: Site) -> Iterator[Verdict]:
    name = _destination(site.resource)
    if _to_internet(site.moment.new, site.resource) or name in ANYWHERE:
        why = f"no route led there before ({ROUTES})"
        yield Verdict(Danger.LOOSENS_SECURITY, f"there is a way to {name}", why)


@going(ROUTE)
def route_removed(site: Site) -> Iterator[Verdict]:
    says = f"traffic to {_destination(site.resource)} has no route"
    yield Verdict(Danger.INTERRUPTS, says, f"packets without a route are dropped ({ROUTES})")


@coming("AWS::EC2::VPCGatewayAttachment")
def gateway_attached(site: Site) -> Iterator[Verdict]:
    if known_text(site.resource.properties.get("VpnGatewayId")) is None:
        says = "with a route and a public address what is in the VPC can be reached from the "
        yield Verdict(Danger.LOOSENS_SECURITY, f"{says}internet", ADDRESSES)


@changed(ENTRY)
@coming(ENTRY)
@going(ENTRY)
def entry_changed(site: Site) -> Iterator[Verdict]:
    """Judge an entry of a network ACL by what it allows or denies."""
    was, now = (known_text(value) for value in site.both("RuleAction"))
    if now == "allow" or was == "deny":
        why = f"an allowing entry is new or changes, or a denying one goes or changes ({ROUTES})"
        yield Verdict(Danger.LOOSENS_SECURITY, f"{site.name} lets more pass, or denies less", why)
    if was == "allow" or now == "deny":
        why = f"an allowing entry goes or changes, or a denying one is new or changes ({ROUTES})"
        yield Verdict(Danger.INTERRUPTS, f"{site.name} lets less pass, or denies more", why)
