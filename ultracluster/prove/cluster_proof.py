"""Proof of the cluster: launch template, placement, capacity and the group of nodes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ultracluster.catalogue.budgets import LAUNCHED
from ultracluster.catalogue.interfaces import FABRIC_TYPES, layout
from ultracluster.prove import slurm_proof
from ultracluster.prove.network_proof import training_subnets
from ultracluster.prove.proof import Check, Evidence, Proof, equal, members, tagged
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.nodes import NodesSpec


def template_path(spec: EnvironmentSpec) -> str:
    """Return where the cluster stack has the nodes' launch template."""
    return "LaunchTemplate/Resource" if spec.slurm is None else "Slurm/LaunchTemplate/Resource"


@dataclass(frozen=True)
class Fabric:
    """Accelerated nodes with a placement of their own: the environment's, or a group of Slurm's."""

    nodes: NodesSpec
    template: str
    """Path of the launch template in the cluster stack."""
    placement: str
    """Path of placement group and reservation."""
    name: str = ""
    """What queues call the group; empty for the environment's own nodes."""


def fabrics(spec: EnvironmentSpec) -> Iterator[Fabric]:
    """Yield the environment's nodes, and the accelerated groups beside them."""
    yield Fabric(spec.nodes, template_path(spec), "Placement")
    for group in () if spec.slurm is None else spec.slurm.accelerated:
        template = f"Slurm/LaunchTemplate-{group.name}/Resource"
        yield Fabric(group, template, f"Slurm/Placement-{group.name}", group.name)


def of_each(proof: Callable[[Evidence, Fabric], Iterator[Check]]) -> Proof:
    """Return the proof of every fabric; the checks of further groups name it."""

    def every(evidence: Evidence) -> Iterator[Check]:
        for fabric in fabrics(evidence.spec):
            for check in proof(evidence, fabric):
                words = f"{check.subject}, group {fabric.name}" if fabric.name else check.subject
                yield replace(check, subject=words)

    return every


@of_each
def launch_template(evidence: Evidence, fabric: Fabric) -> Iterator[Check]:
    """Every card has its interface, with both groups and no public address."""
    nodes, data = fabric.nodes, evidence.launch_template(fabric.template)
    yield equal("instance type", nodes.instance_type, data.get("InstanceType"))
    wanted = [each.properties() for each in layout(nodes.instance, nodes.interface_layout)]
    interfaces = sorted(
        data.get("NetworkInterfaces", []),
        key=lambda i: (i.get("NetworkCardIndex", 0), i.get("DeviceIndex", 0)),
    )
    found = [{name: interface.get(name) for name in wanted[0]} for interface in interfaces]
    # A card that carries IP alone adds nothing to the fabric.
    on_fabric = (each for each in interfaces if each.get("InterfaceType") in FABRIC_TYPES)
    cards = {each.get("NetworkCardIndex") for each in on_fabric}
    evidence.facts.setdefault("cards", len(cards))
    yield Check(
        f"interfaces, layout {nodes.interface_layout}",
        f"{len(wanted)} on {nodes.instance.network_cards.count} cards",
        found,
        ok=found == wanted,
    )
    groups = {
        evidence.id_at("Network", f"{name}/Resource/Resource") for name in ("Fabric", "Nodes")
    }
    if evidence.spec.slurm is not None:
        groups.add(evidence.id_at("Cluster", "Slurm/Group/Resource/Resource"))
    yield Check(
        "groups of every interface",
        "fabric and nodes" if evidence.spec.slurm is None else "fabric, nodes and Slurm",
        [interface.get("Groups") for interface in interfaces],
        ok=bool(interfaces) and all(set(i.get("Groups", [])) == groups for i in interfaces),
    )
    public = [i for i in interfaces if i.get("AssociatePublicIpAddress")]
    yield equal("interfaces with a public address", 0, len(public))
    yield equal("IMDSv2", "required", data.get("MetadataOptions", {}).get("HttpTokens"))
    # PCS hands no tag of a node group on to what it launches.
    yield equal("what is launched with the environment's tag", LAUNCHED, tagged(evidence, data))
    volumes = [mapping.get("Ebs", {}) for mapping in data.get("BlockDeviceMappings", [])]
    yield equal("encryption of the root volume", [True], [v.get("Encrypted") for v in volumes])
    image = str(data.get("ImageId"))
    # EC2 itself resolves a parameter that is named with a version.
    known = image.startswith(("ami-", "resolve:ssm:"))
    yield Check("image", "an AMI id", image, ok=known)


@of_each
def placement(evidence: Evidence, fabric: Fabric) -> Iterator[Check]:
    """The group clusters, and capacity is reserved in it, and nodes are launched onto both."""
    nodes, data = fabric.nodes, evidence.launch_template(fabric.template)
    group = None
    if nodes.placement_group:
        found = evidence.described("Cluster", f"{fabric.placement}/Group")
        group = found["GroupName"]
        yield equal("strategy of the placement group", "cluster", found["Strategy"])
    yield equal("placement group of the nodes", group, data.get("Placement", {}).get("GroupName"))
    stated = data.get("CapacityReservationSpecification", {})
    target = stated.get("CapacityReservationTarget", {}).get("CapacityReservationId")
    if nodes.makes_reservation:
        yield from _reservation(evidence, fabric, target)
    elif nodes.capacity_block is not None:
        block = nodes.capacity_block.capacity_reservation_id
        yield equal("Capacity Block of the nodes", block, target)
        market = data.get("InstanceMarketOptions", {}).get("MarketType")
        yield equal("market type", "capacity-block", market)
    else:
        reserved = nodes.capacity_reservation
        given = None if reserved is None else reserved.capacity_reservation_id
        yield equal("reservation of the nodes", given, target)


def _reservation(evidence: Evidence, fabric: Fabric, target: str | None) -> Iterator[Check]:
    """The reservation holds every node, in the group and the zone, for these nodes alone."""
    found = evidence.described("Cluster", f"{fabric.placement}/Reservation")
    yield equal("reservation of the nodes", found["CapacityReservationId"], target)
    yield from members(
        found,
        ("reserved instances", fabric.nodes.count + fabric.nodes.spare_nodes, "TotalInstanceCount"),
        ("reserved type", fabric.nodes.instance_type, "InstanceType"),
        ("zone of the reservation", evidence.spec.availability_zone_id, "AvailabilityZoneId"),
        ("match criteria of the reservation", "targeted", "InstanceMatchCriteria"),
        ("state of the reservation", "active", "State"),
    )
    if fabric.nodes.placement_group:
        group = evidence.id_at("Cluster", f"{fabric.placement}/Group")
        arn = str(found.get("PlacementGroupArn"))
        yield Check("placement group of the reservation", group, arn, ok=arn.endswith(f"/{group}"))
    if not fabric.name:
        evidence.facts["reserved"] = found.get("TotalInstanceCount")


def node_group(evidence: Evidence) -> Iterator[Check]:
    """Nodes are launched between none and all, by Slurm or by an Auto Scaling group, never both."""
    scaled = evidence.deployment.of_type("AWS::AutoScaling::AutoScalingGroup", "Cluster")
    slurm = evidence.spec.slurm
    yield equal("Auto Scaling groups", 1 if slurm is None else 0, len(scaled))
    if slurm is not None:
        yield from slurm_proof.node_groups(evidence, slurm)
        return
    found = evidence.described("Cluster", "Nodes/Resource")
    yield from members(
        found,
        ("fewest nodes", 0, "MinSize"),
        ("most nodes", evidence.spec.nodes.total, "MaxSize"),
        ("nodes after deployment", 0, "DesiredCapacity"),
    )
    subnets = {subnet["SubnetId"] for subnet in training_subnets(evidence)}
    yield equal("subnets of the nodes", subnets, set(found["VPCZoneIdentifier"].split(",")))
    evidence.facts["nodes"] = found["MaxSize"]
