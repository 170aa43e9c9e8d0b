"""VPCs and subnets with whatever lies in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Protocol

from ultracluster.model.model import Model
from ultracluster.model.networks import Subnet as Given
from ultracluster.review.naming import Names, group_by, short
from ultracluster.review.resolved import NotKnown, key_at, or_none, read, words
from ultracluster.review.tables import DRAWN
from ultracluster.review.topology.nodes import Nodes
from ultracluster.review.topology.services import Endpoint, JobInterfaces, Scheduler
from ultracluster.review.topology.storage import FileSystem
from ultracluster.templates.resolved_values import Key, UndeterminedError, known, text

VPC: Final = "AWS::EC2::VPC"
NAT: Final = "AWS::EC2::NatGateway"
ELSEWHERE: Final = NotKnown("it is not in the given templates")


class Thing(Protocol):
    """Something that lies in subnets."""

    @property
    def subnets(self) -> Sequence[Key] | NotKnown: ...


@dataclass(frozen=True)
class Use:
    """What takes addresses of a subnet."""

    what: str
    count: int | None
    """None where the templates do not tell."""
    assumed: bool = False
    """Whether the number rests on an assumption of this project's."""


@dataclass(frozen=True)
class Nat:
    """A NAT gateway."""

    name: str
    subnets: Sequence[Key]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What lies in subnets: everything of the templates, or that of one subnet."""

    nats: Sequence[Nat] = ()
    nodes: Sequence[Nodes] = ()
    file_systems: Sequence[FileSystem] = ()
    schedulers: Sequence[Scheduler] = ()
    endpoints: Sequence[Endpoint] = ()
    jobs: Sequence[JobInterfaces] = ()

    @cached_property
    def by_subnet(self) -> Mapping[Key, Mapping[str, Sequence[Any]]]:
        """What lies in each subnet that something names, by the fields above."""
        found: dict[Key, dict[str, list[Any]]] = {}
        for field in fields(Contents):
            for thing in getattr(self, field.name):
                for subnet in dict.fromkeys(places(thing)):
                    found.setdefault(subnet, {}).setdefault(field.name, []).append(thing)
        return found

    def within(self, subnet: Key) -> dict[str, Any]:
        """Return the contents of a subnet; nodes that span several are drawn in their first."""
        found = self.by_subnet.get(subnet, {})
        first: list[Nodes] = []
        also: list[Nodes] = []
        for nodes in found.get("nodes", ()):
            (first if places(nodes)[0] == subnet else also).append(nodes)
        return {**found, "nodes": first, "also": also}


def places(thing: Thing) -> Sequence[Key]:
    """Return the subnets that a thing lies in, none where they are not known."""
    return or_none(thing.subnets) or ()


@dataclass(frozen=True, kw_only=True)
class Subnet(Contents):
    """A subnet with what lies in it."""

    name: str
    key: Key
    block: str | NotKnown
    addresses: int | NotKnown
    zone: str | NotKnown
    way_out: str
    """`internet gateway`, `NAT`, `closed`, `not known`, ..."""
    nat_subnet: Key | None = None
    """The subnet of the NAT gateway that traffic leaves by."""
    also: Sequence[Nodes] = ()
    """Nodes that are drawn in another subnet and may be launched here as well."""

    @cached_property
    def uses(self) -> Sequence[Use]:
        nodes, systems = [*self.nodes, *self.also], self.file_systems
        ends = ("endpoints", self.endpoints), ("NAT", self.nats)
        return [
            *(Use(n.name, _taken(n.subnets, n.count, n.addresses)) for n in nodes),
            *(Use(f"{f.name} servers", _taken([], f.servers), f.assumed) for f in systems),
            *(Use(scheduler.name, None) for scheduler in self.schedulers),
            *(Use(name, len(those)) for name, those in ends if those),
            *(Use(job.service, _taken(job.subnets, job.count, job.each)) for job in self.jobs),
        ]

    @property
    def used(self) -> int:
        return sum(use.count or 0 for use in self.uses)


def _taken(
    subnets: Sequence[Key] | NotKnown, count: int | NotKnown | None, each: int | NotKnown = 1
) -> int | None:
    """Return the addresses of a subnet that things take, None where they share it with others."""
    shared = not isinstance(subnets, NotKnown) and len(set(subnets)) > 1
    if shared or not isinstance(count, int) or not isinstance(each, int):
        return None
    return count * each


@dataclass(frozen=True)
class Vpc:
    """A network with its subnets; `key` is None for what lies in no VPC that is known."""

    name: str
    key: Key | None
    block: str | NotKnown
    subnets: Sequence[Subnet]
    gateways: Sequence[str] = ()
    """Internet gateways and other ways out, for a reader."""
    gateway_endpoints: Sequence[Endpoint] = ()
    outside: bool = False
    """Whether it is named in the templates and not defined there."""

    def zones(self) -> Mapping[str, Sequence[Subnet]]:
        """Return the subnets by zone, in the order of the templates."""
        return group_by(self.subnets, lambda subnet: words(subnet.zone, "zone not known"))


def read_nats(model: Model) -> Iterator[Nat]:
    for nat in model.of(NAT):
        if subnet := key_at(nat.properties, "SubnetId"):
            yield Nat(short(nat.place), [subnet])


def read_vpcs(model: Model, names: Names, contents: Contents) -> Iterator[Vpc]:
    """Yield the VPCs of the templates, then those that are only named."""
    by_vpc: dict[Key | None, list[Subnet]] = {}
    for given in model.subnets:
        subnet = _subnet(model, given, contents)
        by_vpc.setdefault(key_at(given.properties, "VpcId"), []).append(subnet)
    for name in contents.by_subnet:
        if name not in model.networks.subnets:
            by_vpc.setdefault(None, []).append(_named(name, names, contents))
    gateways: dict[Key | None, list[str]] = {}
    for kind, name in DRAWN["gateways"].items():
        for gateway in model.of(kind):
            gateways.setdefault(key_at(gateway.properties, "VpcId"), []).append(name)
    ends: dict[Key | None, list[Endpoint]] = {}
    for end in contents.endpoints:
        if end.gateway and not isinstance(end.vpc, NotKnown):
            ends.setdefault(end.vpc, []).append(end)
    for resource in model.of(VPC):
        own = resource.place.key
        block = read(text, resource.properties, "CidrBlock")
        yield Vpc(
            name=short(resource.place),
            key=own,
            block=NotKnown("an address pool gives it") if block is None else block,
            subnets=by_vpc.pop(own, []),
            gateways=tuple(gateways.get(own, ())),
            gateway_endpoints=ends.get(own, ()),
        )
    for named, subnets in by_vpc.items():
        yield Vpc(
            name="VPC that is not known" if named is None or not known(named) else names.key(named),
            key=named,
            block=ELSEWHERE,
            subnets=subnets,
            gateway_endpoints=ends.get(named, ()),
            outside=True,
        )


def _zone(given: Given) -> str:
    zone = given.zone()
    if zone.form == "?":
        raise UndeterminedError(zone.because)
    return zone.name


def _subnet(model: Model, given: Given, contents: Contents) -> Subnet:
    way_out, nat_subnet = _way_out(model, given.key)
    block = read(text, given.properties, "CidrBlock")
    return Subnet(
        name=short(given.place),
        key=given.key,
        block=NotKnown("no block is written") if block is None else block,
        addresses=read(given.addresses),
        zone=read(_zone, given),
        way_out=way_out,
        nat_subnet=nat_subnet,
        **contents.within(given.key),
    )


def _named(name: Key, names: Names, contents: Contents) -> Subnet:
    """Return a subnet that the templates name and do not define."""
    return Subnet(
        name=names.key(name) if known(name) else name[1].rpartition("/")[2],
        key=name,
        block=ELSEWHERE,
        addresses=ELSEWHERE,
        zone=ELSEWHERE,
        way_out="not known",
        **contents.within(name),
    )


def _way_out(model: Model, subnet: Key) -> tuple[str, Key | None]:
    """Return where traffic leaves a subnet, and the subnet of a NAT gateway that it leaves by."""
    networks, table = model.networks, read(model.networks.route_table, subnet)
    if table is None:
        return "the VPC's main route table decides", None
    if isinstance(table, NotKnown):
        return "not known", None
    found = read(lambda: list(networks.default_routes(table)))
    if isinstance(found, NotKnown):
        return "not known", None
    routes = [route.properties for route in found]
    ways = DRAWN["ways_out"].items()
    led = {way for name, way in ways for route in routes if route.get(name) is not None}
    nats = (or_none(read(model.find, route.get("NatGatewayId"), NAT)) for route in routes)
    nat = next((key_at(nat.properties, "SubnetId") for nat in nats if nat), None)
    return " and ".join(sorted(led)) or "none: closed", nat
