"""Proof of the cluster: launch template, placement, capacity and the group of nodes."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.interfaces import FABRIC_TYPES, layout
from ultracluster.rehearse import slurm_proof
from ultracluster.rehearse.network_proof import training_subnets
from ultracluster.rehearse.proof import Check, Evidence, equal, members
from ultracluster.spec.environment import EnvironmentSpec

LAUNCHED: Final = {"instance", "volume", "network-interface"}


def template_path(spec: EnvironmentSpec) -> str:
    """Return where the cluster stack has the nodes' launch template."""
    return "LaunchTemplate/Resource" if spec.slurm is None else "Slurm/LaunchTemplate/Resource"


def template_data(evidence: Evidence) -> dict[str, Any]:
    template = evidence.id_at("Cluster", template_path(evidence.spec))
    answer = evidence.cloud.ask(
        "ec2",
        "describe_launch_template_versions",
        LaunchTemplateId=template,
        Versions=["$Latest"],
    )
    data: dict[str, Any] = answer["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    return data


def launch_template(evidence: Evidence) -> Iterator[Check]:
    """Every card has its interface, with both groups and no public address."""
    nodes, data = evidence.spec.nodes, template_data(evidence)
    yield equal("instance type", nodes.instance_type, data.get("InstanceType"))
    wanted = [
        interface.properties() for interface in layout(nodes.instance, nodes.interface_layout)
    ]
    interfaces = data.get("NetworkInterfaces", [])
    found = [
        {name: interface.get(name) for name in wanted[0]}
        for interface in sorted(
            interfaces, key=lambda i: (i.get("NetworkCardIndex", 0), i.get("DeviceIndex", 0))
        )
    ]
    # A card that carries IP alone adds nothing to the fabric.
    cards = {
        i.get("NetworkCardIndex") for i in interfaces if i.get("InterfaceType") in FABRIC_TYPES
    }
    evidence.facts["cards"] = len(cards)
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
    # PCS hands no tag of a node group on to what it launches: a budget sees nodes by these alone.
    tagged = {
        each.get("ResourceType")
        for each in data.get("TagSpecifications", [])
        if {"Key": ENVIRONMENT_TAG, "Value": evidence.spec.name} in each.get("Tags", [])
    }
    yield equal("what is launched with the environment's tag", LAUNCHED, tagged)
    volumes = [mapping.get("Ebs", {}) for mapping in data.get("BlockDeviceMappings", [])]
    yield equal("encryption of the root volume", [True], [v.get("Encrypted") for v in volumes])
    image = str(data.get("ImageId"))
    # EC2 itself resolves a parameter that is named with a version.
    known = image.startswith(("ami-", "resolve:ssm:"))
    yield Check("image", "an AMI id", image, ok=known)


def placement(evidence: Evidence) -> Iterator[Check]:
    """The group clusters, and capacity is reserved in it, and nodes are launched onto both."""
    spec, data = evidence.spec, template_data(evidence)
    group = None
    if spec.nodes.placement_group:
        found = evidence.described("Cluster", "Placement/Group")
        group = found["GroupName"]
        yield equal("strategy of the placement group", "cluster", found["Strategy"])
    yield equal("placement group of the nodes", group, data.get("Placement", {}).get("GroupName"))
    stated = data.get("CapacityReservationSpecification", {})
    target = stated.get("CapacityReservationTarget", {}).get("CapacityReservationId")
    if spec.nodes.makes_reservation:
        yield from reservation(evidence, target)
    elif spec.nodes.capacity_block is not None:
        block = spec.nodes.capacity_block.capacity_reservation_id
        yield equal("Capacity Block of the nodes", block, target)
        market = data.get("InstanceMarketOptions", {}).get("MarketType")
        yield equal("market type", "capacity-block", market)
    else:
        reserved = spec.nodes.capacity_reservation
        given = None if reserved is None else reserved.capacity_reservation_id
        yield equal("reservation of the nodes", given, target)


def reservation(evidence: Evidence, target: str | None) -> Iterator[Check]:
    """The reservation holds every node, in the group and the zone, for these nodes alone."""
    spec = evidence.spec
    found = evidence.described("Cluster", "Placement/Reservation")
    yield equal("reservation of the nodes", found["CapacityReservationId"], target)
    yield from members(
        found,
        ("reserved instances", spec.nodes.count + spec.nodes.spare_nodes, "TotalInstanceCount"),
        ("reserved type", spec.nodes.instance_type, "InstanceType"),
        ("zone of the reservation", spec.availability_zone_id, "AvailabilityZoneId"),
        ("match criteria of the reservation", "targeted", "InstanceMatchCriteria"),
        ("state of the reservation", "active", "State"),
    )
    if spec.nodes.placement_group:
        group = evidence.id_at("Cluster", "Placement/Group")
        arn = str(found.get("PlacementGroupArn"))
        yield Check("placement group of the reservation", group, arn, ok=arn.endswith(f"/{group}"))
    evidence.facts["reserved"] = found.get("TotalInstanceCount")


def node_group(evidence: Evidence) -> Iterator[Check]:
    """Nodes are launched between none and all, by Slurm or by an Auto Scaling group, never both."""
    scaled = evidence.deployment.of_type("AWS::AutoScaling::AutoScalingGroup", "Cluster")
    slurm = evidence.spec.slurm
    yield equal("Auto Scaling groups", 1 if slurm is None else 0, len(scaled))
    if slurm is None:
        yield from auto_scaling_group(evidence)
    else:
        yield from slurm_proof.node_groups(evidence, slurm)


def auto_scaling_group(evidence: Evidence) -> Iterator[Check]:
    """Nodes scale between zero and full size, in the training subnets."""
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
