"""Nodes of the templates: EC2 by whatever launches it, and SageMaker HyperPod's groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.catalogue.instances import InstanceType
from ultracluster.model.model import Model
from ultracluster.model.nodes import EFA_TYPES, Node, catalogued
from ultracluster.review.naming import Names, short
from ultracluster.review.resolved import NotKnown, entries, key_at, or_none, read
from ultracluster.review.tables import DRAWN
from ultracluster.templates.resolved import Place, ResolvedResource
from ultracluster.templates.resolved_values import (
    Key,
    UndeterminedError,
    key,
    keys,
    known,
    number,
    part,
    text,
)

UNLAUNCHED: Final = "launch template; nothing here launches it"
RESERVED: Final = "capacity reservation"
BLOCK: Final = "Capacity Block"
PLACEMENT: Final = "AWS::EC2::PlacementGroup"
RESERVATION: Final = "AWS::EC2::CapacityReservation"
MARKETS: Final = (("ComputeResources", "Type"), ("CapacityType",), ("PurchaseOption",))
"""Where launchers say that they take Spot instances; that of Batch may be Fargate as well."""


@dataclass(frozen=True)
class Interface:
    """A network interface on a card of a node."""

    card: int | NotKnown
    device: int | NotKnown
    kind: str | NotKnown
    """`interface`, `efa` or `efa-only`."""

    @property
    def carries_fabric(self) -> bool:
        return self.kind in EFA_TYPES


@dataclass(frozen=True)
class Reservation:
    """Capacity that is reserved, or a Capacity Block that is named."""

    name: str
    kind: str
    """`capacity reservation` or `Capacity Block`."""
    count: int | NotKnown | None = None
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
    addresses: int | NotKnown
    """Addresses that each takes of its subnet."""
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


def read_nodes(model: Model, names: Names) -> Iterator[Nodes]:
    queues: dict[Key, list[str]] = {}
    for queue in model.of("AWS::PCS::Queue"):
        for owner in queue_groups(queue):
            queues.setdefault(owner, []).append(short(queue.place))
    for node in (*model.nodes, *model.nodes_without_template):
        yield _ec2(model, node, names, queues)
    for group in model.hyperpod_groups:
        type_name = or_none(read(text, group.group, "InstanceType"))
        many = read(number, group.group, "InstanceCount")
        network = read(group.vpc_config)
        yield Nodes(
            name=f"{short(group.place)}: {group.name()}",
            place=group.place,
            launcher="HyperPod instance group",
            type_name=type_name or NotKnown("no type is written for it"),
            instance=catalogued(type_name or ""),
            count=many,
            alone=many == 1,
            interfaces=NotKnown("SageMaker makes them"),
            addresses=NotKnown("SageMaker makes their interfaces"),
            subnets=network if isinstance(network, NotKnown) else read(keys, network, "Subnets"),
            groups=read(keys, or_none(network), "SecurityGroupIds"),
        )


def queue_groups(queue: ResolvedResource) -> list[Key]:
    """Return the node groups of a PCS queue, as far as they are known."""
    stated = entries(queue.properties.get("ComputeNodeGroupConfigurations"))
    return [group for entry in stated if (group := key_at(entry, "ComputeNodeGroupId"))]


def _ec2(model: Model, node: Node, names: Names, queues: Mapping[Key, list[str]]) -> Nodes:
    launcher = node.launcher
    place, kind = (launcher.place, launcher.kind) if launcher else (node.place, None)
    own = launcher.properties if launcher else {}
    types = read(lambda: list(dict.fromkeys(node.type_names())))
    stated = [read(text, own, *path) for path in MARKETS]
    if (or_none(stated[0]) or "").startswith("FARGATE"):
        types = ["Fargate"]
    one_type = isinstance(types, list) and len(types) == 1
    instance = catalogued(types[0]) if isinstance(types, list) and one_type else None
    # AWS Batch counts nodes by their vCPU.
    count = read(node.most)
    if launcher and kind == "batch":
        count = read(launcher.most_of_batch, instance and instance.vcpus)
    mine = queues.get(place.key, [])
    unqueued = kind == "pcs" and queues and not mine
    return Nodes(
        name=short(place),
        place=place,
        launcher=DRAWN["launchers"][kind] if kind else UNLAUNCHED,
        type_name=" or ".join(types) if isinstance(types, list) else types,
        instance=instance,
        count=count,
        interfaces=read(lambda: [_interface(entry) for entry in node.interfaces()]),
        addresses=read(node.addresses),
        subnets=read(node.subnets),
        groups=read(lambda: list(dict.fromkeys(keys(node.groups())))),
        placement=read(_placement, model, node, names),
        reservation=read(_reservation, model, node, names),
        queues=mine,
        market="spot" if "SPOT" in stated else or_none(read(node.market)) or "",
        role="in no queue: login or service nodes" if unqueued else "",
        alone=node.alone(),
        template=node.place,
    )


def _interface(entry: Mapping[str, Any]) -> Interface:
    card, device = (read(number, entry, name) for name in ("NetworkCardIndex", "DeviceIndex"))
    kind = read(text, entry, "InterfaceType") or "interface"
    return Interface(card or 0, device or 0, kind)


def _placement(model: Model, node: Node, names: Names) -> Placement | None:
    stated = node.placement_group()
    if stated is None:
        return None
    found, name = model.find(stated, PLACEMENT), key(stated)
    if found is not None:
        return placement(found)
    if not known(name):
        raise UndeterminedError(name[-1])
    return Placement(names.key(name), NotKnown("it is not in the given templates"))


def placement(found: ResolvedResource) -> Placement:
    """Return a placement group of the templates; EC2's default strategy is a cluster."""
    strategy = read(text, found.properties, "Strategy") or "cluster"
    return Placement(short(found.place), strategy, found.place.key)


def _reservation(model: Model, node: Node, names: Names) -> Reservation | None:
    block, stated = node.in_a_block(), node.reservation()
    kind = BLOCK if block else RESERVED
    if stated is not None:
        found = model.find(stated, RESERVATION)
        return reservation(found, kind) if found else Reservation(names.key(key(stated)), kind)
    target = node.reservation_target()
    if target is not None:
        group = key(part(target, "CapacityReservationResourceGroupArn"))
        return Reservation(names.key(group), "group of capacity reservations")
    return Reservation("not named", kind) if block else None


def reservation(found: ResolvedResource, kind: str = RESERVED) -> Reservation:
    own = found.properties
    ends = read(text, own, "EndDate")
    until = "" if ends is None else f"ends {ends}"
    return Reservation(
        short(found.place),
        kind,
        read(number, own, "InstanceCount"),
        "end not known" if isinstance(ends, NotKnown) else until,
        read(text, own, "InstanceType"),
        found.place,
    )
