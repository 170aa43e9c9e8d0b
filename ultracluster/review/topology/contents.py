"""What lies in subnets: nodes, file systems, schedulers, endpoints and what takes addresses."""

from collections.abc import Sequence
from dataclasses import dataclass

from ultracluster.catalogue.instances import InstanceType
from ultracluster.review.topology.known import NotKnown, words
from ultracluster.templates.reading import Key
from ultracluster.templates.resolved import Place


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

    @property
    def addresses(self) -> int | None:
        """Addresses that each takes of its subnet; None where that is not known."""
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
