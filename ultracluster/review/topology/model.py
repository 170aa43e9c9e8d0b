"""The parts of a topology. Whatever the templates leave open is `NotKnown`, with its reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from ultracluster.catalogue.instances import InstanceType
from ultracluster.templates.reading import Key, UndeterminedError, key, part
from ultracluster.templates.resolved import Place


@dataclass(frozen=True, slots=True)
class NotKnown:
    """What the templates leave open."""

    because: str


T = TypeVar("T")


def read(function: Callable[..., T], *arguments: Any) -> T | NotKnown:
    """Return what a function reads of resolved values, or why that is not known."""
    try:
        return function(*arguments)
    except UndeterminedError as error:
        return NotKnown(error.because)


def at(function: Callable[[Any], T], value: Any, *path: str) -> T | NotKnown:
    """Return what a function reads at a path of a resolved value, or why that is not known."""
    return read(lambda: function(part(value, *path)))


def or_none(value: T | NotKnown | None) -> T | None:
    return None if isinstance(value, NotKnown) else value


def key_at(value: Any, *path: str) -> Key | None:
    """Return what a resolved value refers to at a path, None where that is not known."""
    found = at(key, value, *path)
    return None if isinstance(found, NotKnown) else found


def words(value: object, unknown: str = "not known") -> str:
    """Return a value for a reader."""
    if isinstance(value, NotKnown) or value is None:
        return unknown
    return f"{value:,}" if isinstance(value, int) else str(value)


def zone_title(zone: str) -> str:
    """Return what a zone is called: `zone 0 of the Region` and `zone not known` say it."""
    if zone.startswith("zone not"):
        return zone
    return f"Zone {zone.removeprefix('zone ')}"


@dataclass(frozen=True)
class Interface:
    """A network interface on a card of a node."""

    card: int | NotKnown
    device: int | NotKnown
    kind: str | NotKnown
    """`interface`, `efa` or `efa-only`."""

    @property
    def carries_fabric(self) -> bool:
        return self.kind in ("efa", "efa-only")

    @property
    def addresses(self) -> int:
        """Private IPv4 addresses that it takes; `efa-only` carries no IP."""
        return 0 if self.kind == "efa-only" else 1


@dataclass(frozen=True)
class Reservation:
    """Capacity that is reserved, or a Capacity Block that is named."""

    name: str
    kind: str
    """`capacity reservation` or `Capacity Block`."""
    count: int | NotKnown | None
    """None where the templates only name it."""
    ends: str = ""
    type_name: str | NotKnown | None = None
    place: Place | None = None
    """None where it is not in the templates."""


@dataclass(frozen=True)
class Placement:
    """A placement group."""

    name: str
    strategy: str | NotKnown
    key: Key | None = None


@dataclass(frozen=True)
class Nodes:
    """Instances that are launched alike."""

    name: str
    place: Place
    launcher: str
    """What launches them, for a reader: `Auto Scaling group`, `PCS node group`."""
    type_name: str | NotKnown
    instance: InstanceType | None
    """What the catalogue holds of the type; None where it does not hold it."""
    count: int | NotKnown | None
    """How many there are at most; None where nobody says."""
    interfaces: Sequence[Interface] | NotKnown
    subnets: Sequence[Key] | NotKnown
    groups: Sequence[Key] | NotKnown
    placement: Placement | NotKnown | None = None
    reservation: Reservation | NotKnown | None = None
    queues: Sequence[str] = ()
    """Slurm queues that send jobs to them."""
    market: str = ""
    role: str = ""
    """What they are for where the templates say it: `login nodes`."""
    alone: bool = False
    """Whether there is one and never more."""
    template: Place | None = None
    """Launch template that they are launched from, where it is in the templates."""
    assumed_addresses: int | None = None
    """Addresses of each where the interfaces are not written and AWS makes them."""

    @property
    def addresses(self) -> int | None:
        """Addresses that each takes of its subnet; None where that is not known."""
        if self.assumed_addresses is not None:
            return self.assumed_addresses
        if isinstance(self.interfaces, NotKnown):
            return None
        return sum(entry.addresses for entry in self.interfaces) if self.interfaces else 1


@dataclass(frozen=True)
class Association:
    """A directory of Lustre that stands for a prefix of a bucket."""

    path: str
    target: str
    bucket: Key | None
    imports: str
    exports: str
    place: Place | None = None
    """None where it is written in the file system itself."""


@dataclass(frozen=True)
class FileSystem:
    """A file system with interfaces in a subnet."""

    name: str
    place: Place
    kind: str
    """`Lustre PERSISTENT_2`, `EFS`, ..."""
    tebibytes: float | NotKnown | None
    """None where it grows by itself."""
    gigabytes_per_second: float | NotKnown | None
    """None where nobody says."""
    subnets: Sequence[Key] | NotKnown
    groups: Sequence[Key] | NotKnown
    associations: Sequence[Association] = ()
    notes: Sequence[str] = ()
    servers: int | NotKnown = 0
    """Addresses that its servers take of each subnet."""
    assumed: bool = True
    """Whether that number is an assumption."""
    storage_type: str = ""
    tier: int | None = None
    """MB/s bought for every TiB, where they are bought so."""


@dataclass(frozen=True)
class Scheduler:
    """A Slurm controller that AWS runs (PCS), or a Kubernetes control plane (EKS)."""

    name: str
    place: Place
    version: str | NotKnown
    size: str | NotKnown
    subnets: Sequence[Key] | NotKnown
    queues: Sequence[tuple[str, Sequence[str]]] = ()
    """Each queue with the node groups that serve it."""
    notes: Sequence[str] = ()
    kubernetes: bool = False

    @property
    def title(self) -> str:
        return "Kubernetes (Amazon EKS)" if self.kubernetes else "Slurm controller (AWS PCS)"

    @property
    def program(self) -> str:
        return "Kubernetes" if self.kubernetes else "Slurm"

    @property
    def size_words(self) -> str:
        """How large it is, for a reader; EKS has no sizes."""
        return "" if self.kubernetes else words(self.size, "size not known")


@dataclass(frozen=True)
class Endpoint:
    """A VPC endpoint of an AWS service."""

    name: str
    service: str
    gateway: bool
    subnets: Sequence[Key] | NotKnown
    vpc: Key | NotKnown


@dataclass(frozen=True)
class JobInterfaces:
    """Interfaces that jobs of a service put into subnets when they run."""

    name: str
    service: str
    subnets: Sequence[Key] | NotKnown
    count: int | NotKnown | None
    """Instances of the jobs that the templates hold; None where jobs come later."""
    each: int
    """Addresses of each instance."""


@dataclass(frozen=True)
class Use:
    """What takes addresses of a subnet."""

    what: str
    count: int | None
    """None where the templates do not tell."""
    assumed: bool = False
    """Whether the number rests on an assumption of this project's."""


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
    def open_uses(self) -> bool:
        """Whether something takes addresses whose number is not known."""
        return any(use.count is None for use in self.uses)

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
