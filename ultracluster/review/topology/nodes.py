"""Nodes of the templates: EC2 by whatever launches it, and SageMaker HyperPod's groups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue.instances import InstanceType
from ultracluster.model.launchers import LAUNCHERS as KINDS
from ultracluster.model.launchers import Launcher
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, catalogued
from ultracluster.review.naming import Names, short
from ultracluster.review.topology.model import (
    Interface,
    Nodes,
    NotKnown,
    Placement,
    Reservation,
    told,
)
from ultracluster.templates.reading import (
    Key,
    UndeterminedError,
    items,
    key,
    keys,
    known,
    number,
    part,
    text,
)
from ultracluster.templates.resolved import ResolvedResource, Unknown

LAUNCHERS: Final = {
    "instance": "EC2 instance",
    "fleet": "EC2 Fleet",
    "group": "Auto Scaling group",
    "batch": "AWS Batch",
    "eks": "EKS node group",
    "pcs": "PCS node group",
}
PLACEMENT: Final = "AWS::EC2::PlacementGroup"
RESERVATION: Final = "AWS::EC2::CapacityReservation"


def read_nodes(model: Model, names: Names) -> Iterator[Nodes]:
    """Yield all nodes of a variant."""
    queues = _queues(model)
    for node in (*model.nodes, *_without_template(model)):
        yield _ec2(model, node, names, queues)
    for group in model.hyperpod_groups:
        type_name = told(lambda g=group: text(part(g.group, "InstanceType")))  # type: ignore[misc]
        plain = type_name if isinstance(type_name, str) else NotKnown("no type is written for it")
        many = told(lambda g=group: number(part(g.group, "InstanceCount")))  # type: ignore[misc]
        yield Nodes(
            name=f"{short(group.place)}: {group.name()}",
            place=group.place,
            launcher="HyperPod instance group",
            type_name=plain,
            instance=catalogued(plain) if isinstance(plain, str) else None,
            count=many,
            alone=many == 1,
            interfaces=NotKnown("SageMaker makes them"),
            subnets=told(lambda g=group: keys(part(g.vpc_config(), "Subnets"))),  # type: ignore[misc]
            groups=told(lambda g=group: keys(part(g.vpc_config(), "SecurityGroupIds"))),  # type: ignore[misc]
        )


def _without_template(model: Model) -> Iterator[Node]:
    """Yield what is launched from no launch template of the templates: rules cannot judge it."""
    known = {node.launcher.place for node in model.nodes if node.launcher}
    for resource in model.resources:
        kind = KINDS.get(resource.resource_type)
        if kind is None or resource.place in known:
            continue
        launcher = Launcher(resource.place, kind, resource.properties)
        named = told(lambda one=launcher: next(one.templates(), None))  # type: ignore[misc]
        elsewhere = named is not None or "LaunchConfigurationName" in resource.properties
        launch: Any = Unknown("its launch template is not in the given templates")
        yield Node(resource.place, launch if elsewhere else {}, launcher)


def _fargate(launcher: Launcher) -> bool:
    """Whether containers are started, and no nodes."""
    stated = told(lambda: text(part(launcher.properties, "ComputeResources", "Type")))
    return isinstance(stated, str) and stated.startswith("FARGATE")


def _most(node: Node, instance: InstanceType | None) -> int | NotKnown | None:
    """Return how many nodes there are at most; AWS Batch counts them by their vCPU."""
    if node.launcher is None or node.launcher.kind != "batch":
        return told(node.most)
    own = node.launcher.properties
    vcpus = told(lambda: number(part(own, "ComputeResources", "MaxvCpus")))
    if isinstance(vcpus, NotKnown):
        return vcpus
    if vcpus is None or instance is None:
        return NotKnown("AWS Batch starts as many as it needs of types with unknown vCPU")
    return -(-vcpus // instance.vcpus)


def _ec2(model: Model, node: Node, names: Names, queues: Mapping[Key, list[str]]) -> Nodes:
    place = node.launcher.place if node.launcher else node.place
    kind = node.launcher.kind if node.launcher else None
    types = told(node.type_names)
    if kind == "batch" and node.launcher and _fargate(node.launcher):
        types = ["Fargate"]
    if isinstance(types, list):
        type_name: str | NotKnown = " or ".join(dict.fromkeys(types))
        instance = catalogued(types[0]) if len(set(types)) == 1 else None
    else:
        type_name, instance = types, None
    mine = queues.get((place.stack, place.logical_id), [])
    role = ""
    if kind == "pcs" and queues and not mine:
        role = "in no queue: login or service nodes"
    return Nodes(
        name=short(place),
        place=place,
        launcher=LAUNCHERS[kind] if kind else "launch template; nothing here launches it",
        type_name=type_name,
        instance=instance,
        count=_most(node, instance),
        interfaces=told(lambda: [_interface(entry) for entry in node.interfaces()]),
        subnets=told(node.subnets),
        groups=told(lambda: list(dict.fromkeys(keys(node.groups())))),
        placement=told(lambda: _placement(model, node, names)),
        reservation=told(lambda: _reservation(model, node, names)),
        queues=mine,
        market=_market(node),
        role=role,
        alone=node.alone(),
        template=node.place,
    )


def _interface(entry: Mapping[str, Any]) -> Interface:
    def of(name: str, default: int) -> int | NotKnown:
        found = told(lambda: number(entry.get(name)))
        return default if found is None else found

    kind = told(lambda: text(entry.get("InterfaceType")))
    return Interface(of("NetworkCardIndex", 0), of("DeviceIndex", 0), kind or "interface")


def _placement(model: Model, node: Node, names: Names) -> Placement | None:
    stated = node.placement_group()
    if stated is None:
        return None
    found = model.found(stated, PLACEMENT)
    if found is None:
        name = key(stated)
        if not known(name):
            raise UndeterminedError(name[-1])
        return Placement(names.key(name), NotKnown("it is not in the given templates"))
    return Placement(
        short(found.place),
        strategy(found.properties),
        (found.place.stack, found.place.logical_id),
    )


def strategy(properties: Mapping[str, Any]) -> str | NotKnown:
    """Return how a placement group places; EC2's default is a cluster."""
    found = told(lambda: text(properties.get("Strategy")))
    return found if isinstance(found, NotKnown) else found or "cluster"


def _reservation(model: Model, node: Node, names: Names) -> Reservation | None:
    block = node.in_a_block()
    stated = node.reservation()
    if stated is None:
        target = node.reservation_target()
        if target is None:
            return Reservation("not named", "Capacity Block", None) if block else None
        group = part(target, "CapacityReservationResourceGroupArn")
        return Reservation(names.key(key(group)), "group of capacity reservations", None)
    found = model.found(stated, RESERVATION)
    if found is None:
        kind = "Capacity Block" if block else "capacity reservation"
        return Reservation(names.key(key(stated)), kind, None)
    return reservation(found, block=block)


def reservation(found: ResolvedResource, *, block: bool = False) -> Reservation:
    """Return a reservation of the templates."""
    properties = found.properties
    ends = told(lambda: text(properties.get("EndDate")))
    return Reservation(
        short(found.place),
        "Capacity Block" if block else "capacity reservation",
        told(lambda: number(properties.get("InstanceCount"))),
        "" if ends is None else "end not known" if isinstance(ends, NotKnown) else f"ends {ends}",
        told(lambda: text(properties.get("InstanceType"))),
        found.place,
    )


def _market(node: Node) -> str:
    own = node.launcher.properties if node.launcher else {}
    bought = told(
        lambda: text(
            part(own, "ComputeResources", "Type")
            or own.get("CapacityType")
            or own.get("PurchaseOption")
        )
    )
    if bought == "SPOT":
        return "spot"
    found = told(node.market)
    return found if isinstance(found, str) else ""


def _queues(model: Model) -> Mapping[Key, list[str]]:
    """Return the Slurm queues of each PCS node group."""
    found: dict[Key, list[str]] = {}
    for queue in model.of("AWS::PCS::Queue"):
        for group in queue_groups(queue.properties):
            found.setdefault(group, []).append(short(queue.place))
    return found


def queue_groups(properties: Mapping[str, Any]) -> Sequence[Key]:
    """Return the node groups of a PCS queue, as far as they are known."""
    entries = told(lambda: items(properties.get("ComputeNodeGroupConfigurations")))
    found: list[Key] = []
    for entry in entries if isinstance(entries, list) else []:
        group = told(lambda e=entry: key(part(e, "ComputeNodeGroupId")))  # type: ignore[misc]
        if not isinstance(group, NotKnown):
            found.append(group)
    return found
