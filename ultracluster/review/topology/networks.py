"""VPCs and subnets with whatever lies in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ultracluster.model.model import Model
from ultracluster.model.networks import Subnet as Given
from ultracluster.model.traffic import ANYWHERE
from ultracluster.review.naming import Names, short
from ultracluster.review.topology.contents import (
    Endpoint,
    FileSystem,
    JobInterfaces,
    Nodes,
    Scheduler,
)
from ultracluster.review.topology.known import NotKnown, at, key_at, or_none, read
from ultracluster.review.topology.model import Subnet, Vpc
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
ELSEWHERE: Final = NotKnown("it is not in the given templates")

Thing = TypeVar("Thing", Nodes, FileSystem, Scheduler, Endpoint, JobInterfaces)


@dataclass
class Contents:
    """Everything that is put into subnets."""

    nodes: Sequence[Nodes]
    file_systems: Sequence[FileSystem]
    schedulers: Sequence[Scheduler]
    endpoints: Sequence[Endpoint]
    jobs: Sequence[JobInterfaces]
    nats: Mapping[Key, list[str]]

    def subnets(self) -> dict[Key, None]:
        """Return every subnet that something names."""
        found: dict[Key, None] = dict.fromkeys(self.nats)
        for things in (self.nodes, self.file_systems, self.schedulers, self.endpoints, self.jobs):
            for thing in things:
                found.update(dict.fromkeys(or_none(thing.subnets) or ()))
        return found

    def within(self, subnet: Key) -> dict[str, Any]:
        """Return the contents of a subnet; nodes that span several are drawn in their first."""
        nodes = _within(self.nodes, subnet)
        first = [n for n in nodes if list(or_none(n.subnets) or ())[:1] == [subnet]]
        return {
            "nodes": first,
            "also": [n for n in nodes if n not in first],
            "file_systems": _within(self.file_systems, subnet),
            "schedulers": _within(self.schedulers, subnet),
            "endpoints": [e for e in _within(self.endpoints, subnet) if not e.gateway],
            "nats": self.nats.get(subnet, []),
            "jobs": _within(self.jobs, subnet),
        }


def _within(things: Sequence[Thing], subnet: Key) -> list[Thing]:
    return [thing for thing in things if subnet in (or_none(thing.subnets) or ())]


def read_nats(model: Model) -> Mapping[Key, list[str]]:
    """Return the NAT gateways by subnet."""
    found: dict[Key, list[str]] = {}
    for nat in model.of(NAT):
        subnet = key_at(nat.properties, "SubnetId")
        if subnet is not None:
            found.setdefault(subnet, []).append(short(nat.place))
    return found


def read_vpcs(model: Model, names: Names, contents: Contents) -> Iterator[Vpc]:
    """Yield the VPCs of the templates, then those that are only named."""
    by_vpc: dict[Key | None, list[Subnet]] = {}
    routes = _Routes(model)
    for given in model.subnets:
        subnet = _subnet(given, routes, contents)
        by_vpc.setdefault(key_at(given.properties, "VpcId"), []).append(subnet)
    for name in contents.subnets():
        if name not in model.networks.subnets:
            by_vpc.setdefault(None, []).append(_named(name, names, contents))
    for resource in model.of(VPC):
        own = resource.place.key
        block = at(text, resource.properties, "CidrBlock")
        yield Vpc(
            name=short(resource.place),
            key=own,
            block=NotKnown("an address pool gives it") if block is None else block,
            subnets=by_vpc.pop(own, []),
            gateways=tuple(
                name
                for kind, name in GATEWAYS.items()
                for gateway in model.of(kind)
                if at(key, gateway.properties, "VpcId") == own
            ),
            gateway_endpoints=[e for e in contents.endpoints if e.gateway and e.vpc == own],
        )
    for named, subnets in by_vpc.items():
        yield Vpc(
            name="VPC that is not known" if named is None or not known(named) else names.key(named),
            key=named,
            block=ELSEWHERE,
            subnets=subnets,
            gateway_endpoints=[e for e in contents.endpoints if e.gateway and e.vpc == named],
            outside=True,
        )


def _zone(given: Given) -> str:
    zone = given.zone()
    if zone.form == "?":
        raise UndeterminedError(zone.because)
    return zone.name


def _subnet(given: Given, routes: "_Routes", contents: Contents) -> Subnet:
    block = at(text, given.properties, "CidrBlock")
    return Subnet(
        name=short(given.place),
        key=given.key,
        place=given.place,
        block=NotKnown("no block is written") if block is None else block,
        addresses=read(given.addresses),
        zone=read(_zone, given),
        way_out=routes.out(given.key),
        vpc=at(key, given.properties, "VpcId"),
        nat_subnet=routes.nat_subnet(given.key),
        **contents.within(given.key),
    )


def _named(name: Key, names: Names, contents: Contents) -> Subnet:
    """Return a subnet that the templates name and do not define."""
    title = names.key(name)
    if isinstance(name, tuple) and name[0] == UNKNOWN:
        title = name[1].rpartition("/")[2]
    place, way_out = Place("", title), "not known"
    inside = contents.within(name)
    return Subnet(title, name, place, ELSEWHERE, ELSEWHERE, ELSEWHERE, way_out, ELSEWHERE, **inside)


class _Routes:
    """Where traffic that leaves a subnet goes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._tables = {
            at(key, each.properties, "SubnetId"): at(key, each.properties, "RouteTableId")
            for each in model.of("AWS::EC2::SubnetRouteTableAssociation")
        }
        self._defaults: dict[Key, list[Mapping[str, Any]]] = {}
        self._stray = False
        for route in model.of("AWS::EC2::Route"):
            table = at(key, route.properties, "RouteTableId")
            if isinstance(table, NotKnown):
                self._stray = True
            elif _is_default(route.properties):
                self._defaults.setdefault(table, []).append(route.properties)
        self._own = {table.place.key for table in model.of("AWS::EC2::RouteTable")}

    def out(self, subnet: Key) -> str:
        table = self._tables.get(subnet)
        if table is None:
            return "the VPC's main route table decides"
        if table not in self._own:
            return "not known"
        found = {
            way
            for route in self._of(subnet)
            for name, way in WAYS.items()
            if route.get(name) is not None
        }
        if found:
            return " and ".join(sorted(found))
        return "not known" if self._stray else "none: closed"

    def nat_subnet(self, subnet: Key) -> Key | None:
        """Return where the NAT gateway is that a subnet's traffic leaves by."""
        for route in self._of(subnet):
            nat = or_none(read(self._model.found, route.get("NatGatewayId"), NAT))
            if nat is not None:
                return key_at(nat.properties, "SubnetId")
        return None

    def _of(self, subnet: Key) -> Sequence[Mapping[str, Any]]:
        table = self._tables.get(subnet)
        return [] if isinstance(table, NotKnown | None) else self._defaults.get(table, [])


def _is_default(route: Mapping[str, Any]) -> bool:
    names = ("DestinationCidrBlock", "DestinationIpv6CidrBlock")
    return any(at(text, route, name) in ANYWHERE for name in names)
