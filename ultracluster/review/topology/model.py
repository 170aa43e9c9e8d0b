"""Subnets, VPCs and what is around them: everything that the templates place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ultracluster.review.topology.contents import (
    Endpoint,
    FileSystem,
    JobInterfaces,
    Nodes,
    Placement,
    Reservation,
    Scheduler,
    Use,
)
from ultracluster.review.topology.known import NotKnown, words
from ultracluster.templates.reading import Key
from ultracluster.templates.resolved import Place


@dataclass(frozen=True)
class Subnet:
    """A subnet with what lies in it."""

    name: str
    key: Key
    place: Place
    block: str | NotKnown
    addresses: int | NotKnown
    zone: str | NotKnown
    way_out: str
    """`internet gateway`, `NAT`, `closed`, `not known`, ..."""
    vpc: Key | NotKnown
    nat_subnet: Key | None = None
    """The subnet of the NAT gateway that traffic leaves by."""
    nodes: Sequence[Nodes] = ()
    also: Sequence[Nodes] = ()
    """Nodes that are drawn in another subnet and may be launched here as well."""
    file_systems: Sequence[FileSystem] = ()
    schedulers: Sequence[Scheduler] = ()
    endpoints: Sequence[Endpoint] = ()
    nats: Sequence[str] = ()
    jobs: Sequence[JobInterfaces] = ()

    @cached_property
    def uses(self) -> Sequence[Use]:
        found = [
            Use(
                nodes.name, None if _shared(nodes.subnets) else _times(nodes.count, nodes.addresses)
            )
            for nodes in (*self.nodes, *self.also)
        ]
        found += [
            Use(f"{system.name} servers", _times(system.servers, 1), assumed=system.assumed)
            for system in self.file_systems
        ]
        found += [Use(scheduler.name, None) for scheduler in self.schedulers]
        found += [
            Use(n, len(those))
            for n, those in (("endpoints", self.endpoints), ("NAT", self.nats))
            if those
        ]
        found += [
            Use(job.service, None if _shared(job.subnets) else _times(job.count, job.each))
            for job in self.jobs
        ]
        return found

    @property
    def used(self) -> int:
        """Addresses taken at full size, as far as is known."""
        return sum(use.count or 0 for use in self.uses)

    @property
    def empty(self) -> bool:
        """Whether nothing lies in it."""
        return not any(
            (
                self.nodes,
                self.also,
                self.file_systems,
                self.schedulers,
                self.endpoints,
                self.nats,
                self.jobs,
            )
        )


def _shared(subnets: Sequence[Key] | NotKnown) -> bool:
    return not isinstance(subnets, NotKnown) and len(set(subnets)) > 1


def _times(count: int | NotKnown | None, each: int | None) -> int | None:
    return count * each if isinstance(count, int) and each is not None else None


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
        found: dict[str, list[Subnet]] = {}
        for subnet in self.subnets:
            found.setdefault(words(subnet.zone, "zone not known"), []).append(subnet)
        return found


@dataclass(frozen=True)
class Fabric:
    """A security group whose members let everything pass among themselves, both ways."""

    name: str
    key: Key


@dataclass(frozen=True)
class Store:
    """What lies outside of a VPC and holds something: a bucket, a registry, a key."""

    name: str
    kind: str
    key: Key
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Reach:
    """What a role may do somewhere."""

    what: str
    how: str
    everywhere: bool = False
    """Whether it is every resource of the service."""
    conditional: bool = False
    """Whether conditions narrow it."""


@dataclass(frozen=True)
class Role:
    """An IAM role: who may take it, and what it may reach."""

    name: str
    place: Place
    takers: Sequence[str]
    reaches: Sequence[Reach]
    outside: Sequence[str] = ()
    """Managed policies whose statements the templates do not hold."""


@dataclass(frozen=True)
class Topology:
    """Everything that the templates place, in one variant."""

    names: Sequence[str]
    """The templates."""
    region: str | NotKnown
    vpcs: Sequence[Vpc] = ()
    fabrics: Sequence[Fabric] = ()
    homeless: Sequence[Nodes | FileSystem | Scheduler | Endpoint] = ()
    """What lies in no subnet that is known."""
    idle_reservations: Sequence[Reservation] = ()
    idle_placements: Sequence[Placement] = ()
    """Reservations and placement groups that no node names."""
    stores: Sequence[Store] = ()
    roles: Sequence[Role] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    """Resources that are not drawn, by type."""
    assumptions: Sequence[str] = ()
    """What was assumed about open conditions."""

    @property
    def nodes(self) -> Sequence[Nodes]:
        """All nodes, each once."""
        inside = [n for vpc in self.vpcs for subnet in vpc.subnets for n in subnet.nodes]
        return [*inside, *(n for n in self.homeless if isinstance(n, Nodes))]

    @property
    def file_systems(self) -> Sequence[FileSystem]:
        """All file systems, each once."""
        inside = [f for vpc in self.vpcs for subnet in vpc.subnets for f in subnet.file_systems]
        found = [*inside, *(f for f in self.homeless if isinstance(f, FileSystem))]
        # One with interfaces in several subnets is drawn in each of them.
        return list({file_system.place: file_system for file_system in found}.values())
