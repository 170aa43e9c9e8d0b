"""Networks: what traffic takes another way, or none."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.model.traffic import ANYWHERE
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.sources import ENDPOINTS, PRICES, ROUTES
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import Site, Verdict, changed, coming, going
from ultracluster.review.changes.words import known_text, quoted
from ultracluster.templates.reading import items
from ultracluster.templates.resolved import ResolvedResource, Text
from ultracluster.templates.texts import identity

ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
BILLED: Final = f"billed by the hour and by the GB ({PRICES})"


def service(endpoint: ResolvedResource) -> str:
    """Return the service of an endpoint in short: `s3`, `ecr.api`."""
    name = endpoint.properties.get("ServiceName")
    if isinstance(name, Text):
        last = next((p for p in reversed(name.parts) if isinstance(p, str)), "")
        return last.strip(".") or quoted(name)
    written = known_text(name) or quoted(name)
    parts = written.split(".")
    return ".".join(parts[3:]) if written.startswith("com.amazonaws.") else written


def _gateway(endpoint: ResolvedResource) -> bool:
    return (known_text(endpoint.properties.get("VpcEndpointType")) or "Gateway") == "Gateway"


def _over_nat(side: Side) -> bool:
    return any(
        known_text(route.properties.get("DestinationCidrBlock")) in ANYWHERE
        and route.properties.get("NatGatewayId") is not None
        for route in side.of("AWS::EC2::Route")
    )


def _without(site: Site, name: str) -> Iterator[Verdict]:
    """Yield what happens to calls that went through an endpoint."""
    nat = _over_nat(site.moment.new)
    where = (
        "they go out over the NAT gateway and the internet"
        if nat
        else "no other way out is in these templates, and they fail"
    )
    yield Verdict(
        Danger.INTERRUPTS,
        f"calls to {name} no longer go through the endpoint: {where}",
        f"an endpoint is the only private way to a service ({ENDPOINTS}); open connections break",
        "keep the endpoint",
    )
    if nat:
        yield Verdict(
            Danger.COSTS_MORE,
            f"every GB to {name} is billed by the NAT gateway",
            f"NAT gateways are {BILLED}",
        )


@going(ENDPOINT)
def endpoint_removed(site: Site) -> Iterator[Verdict]:
    """Judge an endpoint that goes."""
    assert site.old is not None  # noqa: S101  (it was there)
    same = [
        other
        for other in site.moment.new.of(ENDPOINT)
        if identity(other.properties.get("ServiceName"))
        == identity(site.old.properties.get("ServiceName"))
    ]
    if same:
        yield Verdict(
            Danger.INTERRUPTS,
            f"calls to {service(site.old)} change over to another endpoint",
            f"open connections break ({ENDPOINTS})",
        )
        return
    yield from _without(site, service(site.old))


@coming(ENDPOINT)
def endpoint_added(site: Site) -> Iterator[Verdict]:
    """Judge an endpoint that is new."""
    assert site.new is not None  # noqa: S101  (it is there)
    if _gateway(site.new):
        yield Verdict(
            Danger.HARMLESS,
            f"calls to {service(site.new)} stay in the VPC, at no charge",
            PRICES,
        )
        return
    yield Verdict(
        Danger.COSTS_MORE,
        f"an endpoint for {service(site.new)} is billed in each of its subnets",
        f"interface endpoints are {BILLED}",
    )


@changed(ENDPOINT)
def endpoint_changed(site: Site) -> Iterator[Verdict]:
    """Judge what an endpoint serves."""
    assert site.new is not None  # noqa: S101  (it is there)
    name = service(site.new)
    if site.path == ("PrivateDnsEnabled",):
        if known_text(site.now) != "true":
            yield from _without(site, name)
        else:
            yield Verdict(Danger.HARMLESS, f"calls to {name} go through the endpoint", ENDPOINTS)
    for where, noun in (
        ("SubnetIds", "subnet"),
        ("RouteTableIds", "route table"),
        ("SecurityGroupIds", "security group"),
    ):
        if site.path == (where,):
            gone, come = lost(site.was, site.now), lost(site.now, site.was)
            if gone:
                yield Verdict(
                    Danger.INTERRUPTS,
                    f"the endpoint for {name} leaves {_listed(noun, gone)}",
                    f"open connections through it break ({ENDPOINTS})",
                )
            if come and where == "SubnetIds":
                yield Verdict(
                    Danger.COSTS_MORE,
                    f"the endpoint for {name} is in {len(come)} more subnets",
                    f"interface endpoints are {BILLED} in each zone",
                )
            if not gone and not (come and where == "SubnetIds"):
                yield Verdict(Danger.HARMLESS, f"the endpoint for {name} serves more", ENDPOINTS)


def lost(was: Any, now: Any) -> list[Any]:
    """Return the items of one list that another lacks."""
    kept = {identity(item) for item in _items(now)}
    return [item for item in _items(was) if identity(item) not in kept]


def _items(value: Any) -> list[Any]:
    try:
        return items(value)
    except LookupError:
        return [value]


def _listed(noun: str, values: list[Any]) -> str:
    several = "s" if len(values) > 1 else ""
    return f"{noun}{several} {', '.join(quoted(value) for value in values)}"


@changed("AWS::EC2::Subnet")
def subnet_changed(site: Site) -> Iterator[Verdict]:
    """Judge public addresses."""
    if site.path == ("MapPublicIpOnLaunch",):
        public = known_text(site.now) == "true"
        yield Verdict(
            Danger.LOOSENS_SECURITY if public else Danger.HARMLESS,
            f"what is launched in {site.name} {'gets' if public else 'no longer gets'} a public "
            "address",
            f"it holds for launches from now on ({ROUTES})",
        )


@changed("AWS::EC2::VPC")
def vpc_changed(site: Site) -> Iterator[Verdict]:
    """Judge name resolution."""
    if site.path in (("EnableDnsSupport",), ("EnableDnsHostnames",)):
        on = known_text(site.now) == "true"
        yield Verdict(
            Danger.HARMLESS if on else Danger.INTERRUPTS,
            "names are resolved in the VPC"
            if on
            else "private names of endpoints and of the file system no longer resolve",
            f"endpoints with private DNS need both DNS attributes ({ENDPOINTS})",
        )


ROUTE_TARGETS: Final = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "VpcEndpointId",
    "InstanceId",
    "EgressOnlyInternetGatewayId",
    "CarrierGatewayId",
    "LocalGatewayId",
    "CoreNetworkArn",
)


def _destination(route: ResolvedResource) -> str:
    names = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    found = next((route.properties[n] for n in names if n in route.properties), None)
    return quoted(found)


def _to_internet(side: Side, route: ResolvedResource) -> bool:
    target = route.properties.get("GatewayId")
    if target is None:
        return False
    gateways = {
        identity_of(g.place.stack, g.place.logical_id) for g in side.of("AWS::EC2::InternetGateway")
    }
    found = identity(target) or ""
    return any(found.startswith(gateway) for gateway in gateways) or str(target).startswith("igw-")


def identity_of(stack: str, logical_id: str) -> str:
    """Return how the identity of a reference to a resource begins."""
    return f"@{stack}/{logical_id}/"


@changed("AWS::EC2::Route")
def route_changed(site: Site) -> Iterator[Verdict]:
    """Judge a route whose destination or target is another one."""
    if site.path[0].startswith("@"):
        return
    assert site.old is not None and site.new is not None  # noqa: S101, PT018
    yield Verdict(
        Danger.INTERRUPTS,
        f"traffic to {_destination(site.old)} takes another way; connections that are open break",
        f"the route changes {site.path[0]} ({ROUTES})",
    )
    if _to_internet(site.moment.new, site.new) and not _to_internet(site.moment.old, site.old):
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"traffic to {_destination(site.new)} goes to the internet gateway: a public address "
            "is enough to be reached",
            ROUTES,
        )


@coming("AWS::EC2::Route")
def route_added(site: Site) -> Iterator[Verdict]:
    """Judge a new way out."""
    assert site.new is not None  # noqa: S101  (it is there)
    if _to_internet(site.moment.new, site.new) or _destination(site.new) in ANYWHERE:
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"there is a way to {_destination(site.new)}",
            f"no route led there before ({ROUTES})",
        )


@going("AWS::EC2::Route")
def route_removed(site: Site) -> Iterator[Verdict]:
    """Judge a way that is no more."""
    assert site.old is not None  # noqa: S101  (it was there)
    yield Verdict(
        Danger.INTERRUPTS,
        f"traffic to {_destination(site.old)} has no route",
        f"packets without a route are dropped ({ROUTES})",
    )


@changed("AWS::EC2::NetworkAclEntry")
@coming("AWS::EC2::NetworkAclEntry")
@going("AWS::EC2::NetworkAclEntry")
def entry_changed(site: Site) -> Iterator[Verdict]:
    """Judge an entry of a network ACL by what it allows or denies."""
    was = known_text(site.old.properties.get("RuleAction")) if site.old else None
    now = known_text(site.new.properties.get("RuleAction")) if site.new else None
    if now == "allow" or was == "deny":
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"{site.name} lets more pass, or denies less",
            f"an allowing entry is new or changes, or a denying one goes or changes ({ROUTES})",
        )
    if was == "allow" or now == "deny":
        yield Verdict(
            Danger.INTERRUPTS,
            f"{site.name} lets less pass, or denies more",
            f"an allowing entry goes or changes, or a denying one is new or changes ({ROUTES})",
        )
