"""VPCs and subnets with whatever lies in them, and how much of their addresses it takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from ultracluster.model.model import Model
from ultracluster.model.networks import Subnet as Given
from ultracluster.model.traffic import ANYWHERE
from ultracluster.review.naming import Names, short
from ultracluster.review.topology.model import (
    Endpoint,
    FileSystem,
    JobInterfaces,
    Nodes,
    NotKnown,
    Scheduler,
    Subnet,
    Use,
    Vpc,
    told,
)
from ultracluster.templates.reading import UNKNOWN, Key, UndeterminedError, key, known, text
from ultracluster.templates.resolved import Place

VPC: Final = "AWS::EC2::VPC"
NAT: Final = "AWS::EC2::NatGateway"
WAYS: Final = {
    "GatewayId": "internet gateway",
    "NatGatewayId": "NAT",
    "TransitGatewayId": "transit gateway",
    "NetworkInterfaceId": "a network interface",
    "InstanceId": "an instance",
    "VpcPeeringConnectionId": "a peered VPC",
    "EgressOnlyInternetGatewayId": "egress-only internet gateway",
    "CoreNetworkArn": "a core network",
    "VpcEndpointId": "an endpoint",
}
GATEWAYS: Final = {
    "AWS::EC2::VPCGatewayAttachment": "internet gateway",
    "AWS::EC2::EgressOnlyInternetGateway": "egress-only internet gateway",
    "AWS::EC2::TransitGatewayAttachment": "transit gateway",
    "AWS::EC2::VPCPeeringConnection": "peering",
    "AWS::EC2::VPNGateway": "VPN gateway",
}

Thing = TypeVar("Thing", Nodes, FileSystem, Scheduler, Endpoint, JobInterfaces)


@dataclass
class Contents:
    """Everything that is put into subnets."""

    nodes: Sequence[Nodes]
    file_systems: Sequence[FileSystem]
    schedulers: Sequence[Scheduler]
    endpoints: Sequence[Endpoint]
    jobs: Sequence[JobInterfaces]
    nats: Mapping[Key, list[str]] = field(default_factory=dict)

    def subnets(self) -> dict[Key, None]:
        """Return every subnet that something names."""
        found: dict[Key, None] = dict.fromkeys(self.nats)
        stated = [
            *(thing.subnets for thing in self.nodes),
            *(thing.subnets for thing in self.file_systems),
            *(thing.subnets for thing in self.schedulers),
            *(thing.subnets for thing in self.endpoints),
            *(thing.subnets for thing in self.jobs),
        ]
        for subnets in stated:
            if not isinstance(subnets, NotKnown):
                found.update(dict.fromkeys(subnets))
        return found


def read_nats(model: Model) -> Mapping[Key, list[str]]:
    """Return the NAT gateways by subnet."""
    found: dict[Key, list[str]] = {}
    for nat in model.of(NAT):
        subnet = told(lambda n=nat: key(n.properties.get("SubnetId")))  # type: ignore[misc]
        if not isinstance(subnet, NotKnown):
            found.setdefault(subnet, []).append(short(nat.place))
    return found


def read_vpcs(model: Model, names: Names, contents: Contents) -> Iterator[Vpc]:
    """Yield the VPCs of the templates, then those that are only named."""
    by_vpc: dict[Key | None, list[Subnet]] = {}
    ways = _Ways(model)
    for given in model.subnets:
        vpc = told(lambda g=given: key(g.properties.get("VpcId")))  # type: ignore[misc]
        made = _subnet(given, vpc, ways, contents)
        by_vpc.setdefault(None if isinstance(vpc, NotKnown) else vpc, []).append(made)
    for name in contents.subnets():
        if name not in model.networks.subnets:
            by_vpc.setdefault(None, []).append(_named(name, names, contents))
    for resource in model.of(VPC):
        own = (resource.place.stack, resource.place.logical_id)
        block = told(lambda r=resource: text(r.properties.get("CidrBlock")))  # type: ignore[misc]
        yield Vpc(
            name=short(resource.place),
            key=own,
            block=NotKnown("an address pool gives it") if block is None else block,
            subnets=by_vpc.pop(own, []),
            gateways=tuple(_gateways(model, own)),
            gateway_endpoints=[e for e in contents.endpoints if e.gateway and e.vpc == own],
        )
    for named, subnets in by_vpc.items():
        yield Vpc(
            name="VPC that is not known" if named is None or not known(named) else names.key(named),
            key=named,
            block=NotKnown("it is not in the given templates"),
            subnets=subnets,
            gateway_endpoints=[e for e in contents.endpoints if e.gateway and e.vpc == named],
            outside=True,
        )


def _gateways(model: Model, vpc: Key) -> Iterator[str]:
    for kind, name in GATEWAYS.items():
        for resource in model.of(kind):
            if told(lambda r=resource: key(r.properties.get("VpcId"))) == vpc:  # type: ignore[misc]
                yield name


def _zone(given: Given) -> str:
    zone = given.zone()
    if zone.form == "?":
        raise UndeterminedError(zone.because)
    return zone.name


def _subnet(given: Given, vpc: Key | NotKnown, ways: "_Ways", contents: Contents) -> Subnet:
    zone = told(lambda: _zone(given))
    block = told(lambda: text(given.properties.get("CidrBlock")))
    return _filled(
        Subnet(
            name=short(given.place),
            key=given.key,
            place=given.place,
            block=NotKnown("no block is written") if block is None else block,
            addresses=told(given.addresses),
            zone=zone,
            way_out=ways.out(given.key),
            vpc=vpc,
            nat_subnet=ways.nat_subnet(given.key),
        ),
        contents,
    )


def _named(name: Key, names: Names, contents: Contents) -> Subnet:
    """Return a subnet that the templates name and do not define."""
    title = names.key(name)
    if isinstance(name, tuple) and name[0] == UNKNOWN:
        title = name[1].rpartition("/")[2]
    because = NotKnown("it is not in the given templates")
    return _filled(
        Subnet(title, name, Place("", title), because, because, because, "not known", because),
        contents,
    )


def _filled(subnet: Subnet, contents: Contents) -> Subnet:
    """Return a subnet with what lies in it; what spans several is drawn in its first."""
    nodes = _within(contents.nodes, subnet.key)
    file_systems = _within(contents.file_systems, subnet.key)
    filled = Subnet(
        **{name: getattr(subnet, name) for name in _GIVEN},
        nodes=[n for n in nodes if _first(n) == subnet.key],
        also=[n for n in nodes if _first(n) != subnet.key],
        file_systems=file_systems,
        schedulers=_within(contents.schedulers, subnet.key),
        endpoints=[e for e in _within(contents.endpoints, subnet.key) if not e.gateway],
        nats=contents.nats.get(subnet.key, []),
        jobs=_within(contents.jobs, subnet.key),
    )
    return Subnet(
        **{name: getattr(filled, name) for name in (*_GIVEN, *_FILLED)}, uses=tuple(_uses(filled))
    )


_GIVEN: Final = (
    "name",
    "key",
    "place",
    "block",
    "addresses",
    "zone",
    "way_out",
    "vpc",
    "nat_subnet",
)
_FILLED: Final = ("nodes", "also", "file_systems", "schedulers", "endpoints", "nats", "jobs")


def _within(things: Sequence[Thing], subnet: Key) -> list[Thing]:
    return [t for t in things if not isinstance(t.subnets, NotKnown) and subnet in t.subnets]


def _first(nodes: Nodes) -> Key | None:
    return None if isinstance(nodes.subnets, NotKnown) else nodes.subnets[0]


def _uses(subnet: Subnet) -> Iterator[Use]:
    for nodes in (*subnet.nodes, *subnet.also):
        shared = not isinstance(nodes.subnets, NotKnown) and len(set(nodes.subnets)) > 1
        each, count = nodes.addresses, nodes.count
        if shared or each is None or not isinstance(count, int):
            yield Use(nodes.name, None)
        else:
            yield Use(nodes.name, each * count)
    for file_system in subnet.file_systems:
        servers = file_system.servers
        known_servers = servers if isinstance(servers, int) else None
        yield Use(f"{file_system.name} servers", known_servers, assumed=file_system.assumed)
    for scheduler in subnet.schedulers:
        yield Use(scheduler.name, None)
    if subnet.endpoints:
        yield Use("endpoints", len(subnet.endpoints))
    if subnet.nats:
        yield Use("NAT", len(subnet.nats))
    for job in subnet.jobs:
        alone = not isinstance(job.subnets, NotKnown) and len(job.subnets) == 1
        counted = isinstance(job.count, int) and alone
        yield Use(job.service, job.count * job.each if counted else None)  # type: ignore[operator]


class _Ways:
    """Where traffic that leaves a subnet goes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._tables: dict[Key, Any] = {}
        for resource in model.of("AWS::EC2::SubnetRouteTableAssociation"):
            subnet = told(lambda r=resource: key(r.properties.get("SubnetId")))  # type: ignore[misc]
            table = told(lambda r=resource: key(r.properties.get("RouteTableId")))  # type: ignore[misc]
            if not isinstance(subnet, NotKnown):
                self._tables[subnet] = table
        self._routes: dict[Key, list[Mapping[str, Any]]] = {}
        self._stray = False
        for resource in model.of("AWS::EC2::Route"):
            table = told(lambda r=resource: key(r.properties.get("RouteTableId")))  # type: ignore[misc]
            if isinstance(table, NotKnown):
                self._stray = True
            elif _is_default(resource.properties):
                self._routes.setdefault(table, []).append(resource.properties)
        self._own = {(r.place.stack, r.place.logical_id) for r in model.of("AWS::EC2::RouteTable")}

    def out(self, subnet: Key) -> str:
        """Return the way out of a subnet."""
        table = self._tables.get(subnet)
        if table is None:
            return "the VPC's main route table decides"
        if isinstance(table, NotKnown) or table not in self._own:
            return "not known"
        found = {
            way
            for route in self._routes.get(table, [])
            for name, way in WAYS.items()
            if route.get(name) is not None
        }
        if found:
            return " and ".join(sorted(found))
        return "not known" if self._stray else "none: closed"

    def nat_subnet(self, subnet: Key) -> Key | None:
        """Return where the NAT gateway is that a subnet's traffic leaves by."""
        table = self._tables.get(subnet)
        if table is None or isinstance(table, NotKnown):
            return None
        for route in self._routes.get(table, []):
            stated = route.get("NatGatewayId")
            nat = told(lambda s=stated: self._model.given(s, NAT)) if stated else None  # type: ignore[misc]
            if nat is not None and not isinstance(nat, NotKnown):
                found = told(lambda n=nat: key(n.properties.get("SubnetId")))  # type: ignore[misc]
                return None if isinstance(found, NotKnown) else found
        return None


def _is_default(route: Mapping[str, Any]) -> bool:
    names = ("DestinationCidrBlock", "DestinationIpv6CidrBlock")
    stated = [told(lambda n=name: text(route.get(n))) for name in names]  # type: ignore[misc]
    return any(each in ANYWHERE for each in stated if isinstance(each, str))
