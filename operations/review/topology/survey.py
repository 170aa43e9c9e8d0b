"""A world of resolved resources, read as a topology."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from constructs_lib.rules.picture import Picture
from constructs_lib.rules.reading import UndeterminedError
from constructs_lib.rules.resolved import Unknown, World
from operations.review.topology.model import (
    Endpoint,
    Fabric,
    FileSystem,
    Nodes,
    NotKnown,
    Placement,
    Reservation,
    Scheduler,
    Topology,
)
from operations.review.topology.naming import Names
from operations.review.topology.networks import Contents, read_nats, read_vpcs
from operations.review.topology.nodes import (
    PLACEMENT,
    RESERVATION,
    read_nodes,
    reservation,
    strategy,
)
from operations.review.topology.roles import read_roles
from operations.review.topology.services import (
    read_control_planes,
    read_endpoints,
    read_job_interfaces,
    read_schedulers,
)
from operations.review.topology.storage import STORES, read_all_file_systems, read_stores

DRAWN: Final = frozenset(
    {
        *STORES,
        PLACEMENT,
        RESERVATION,
        "AWS::AutoScaling::AutoScalingGroup",
        "AWS::Batch::ComputeEnvironment",
        "AWS::EC2::EC2Fleet",
        "AWS::EC2::EIP",
        "AWS::EC2::EgressOnlyInternetGateway",
        "AWS::EC2::Instance",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::LaunchTemplate",
        "AWS::EC2::NatGateway",
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::TransitGatewayAttachment",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCEndpoint",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::EC2::VPCPeeringConnection",
        "AWS::EFS::FileSystem",
        "AWS::EFS::MountTarget",
        "AWS::EKS::Cluster",
        "AWS::EKS::Nodegroup",
        "AWS::FSx::DataRepositoryAssociation",
        "AWS::FSx::FileSystem",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::IAM::RolePolicy",
        "AWS::PCS::Cluster",
        "AWS::PCS::ComputeNodeGroup",
        "AWS::PCS::Queue",
        "AWS::S3::BucketPolicy",
        "AWS::SageMaker::Cluster",
        "AWS::SageMaker::TrainingJob",
    }
)
"""Types that have a place in the picture; the others are counted."""


def survey(names: Sequence[str], worlds: Sequence[World]) -> Topology:
    """Return the topology of the world with most in it, and what had to be assumed for it."""
    world = max(worlds, key=lambda each: len(each.resources))
    picture = Picture(world)
    called = Names(world.resources)
    contents = Contents(
        nodes=list(read_nodes(picture, called)),
        file_systems=list(read_all_file_systems(picture, called)),
        schedulers=[
            *read_schedulers(picture, called),
            *read_control_planes(picture, called),
        ],
        endpoints=list(read_endpoints(picture, called)),
        jobs=list(read_job_interfaces(picture, called)),
        nats=read_nats(picture, called),
    )
    region = world.region
    return Topology(
        names=names,
        region=NotKnown(region.because) if isinstance(region, Unknown) else region,
        vpcs=list(read_vpcs(picture, called, contents)),
        fabrics=list(_fabrics(picture, called)),
        homeless=[t for t in _placed(contents) if isinstance(t.subnets, NotKnown) or not t.subnets],
        idle_reservations=list(_idle_reservations(picture, called, contents.nodes)),
        idle_placements=list(_idle_placements(picture, called, contents.nodes)),
        stores=read_stores(picture, called),
        roles=list(read_roles(picture, called)),
        others=Counter(
            r.resource_type or "no type" for r in world.resources if r.resource_type not in DRAWN
        ),
        assumptions=[
            f"{name.rpartition('/')[2]} is {str(held).lower()}"
            for name, held in sorted(world.choices.items())
        ],
    )


def _placed(contents: Contents) -> list[Nodes | FileSystem | Scheduler | Endpoint]:
    interface_endpoints = [e for e in contents.endpoints if not e.gateway]
    return [*contents.nodes, *contents.file_systems, *contents.schedulers, *interface_endpoints]


def _fabrics(picture: Picture, names: Names) -> list[Fabric]:
    found = []
    for group in picture.security_groups:
        try:
            loop = all(
                picture.groups.members_exchange([group.key], direction)
                for direction in ("in", "out")
            )
        except UndeterminedError:
            continue
        if loop:
            found.append(Fabric(names.of(group.place), group.key))
    return found


def _idle_reservations(picture: Picture, names: Names, nodes: Sequence[Nodes]) -> list[Reservation]:
    used = {n.reservation.name for n in nodes if isinstance(n.reservation, Reservation)}
    return [
        reservation(r.properties, names.of(r.place))
        for r in picture.of(RESERVATION)
        if names.of(r.place) not in used
    ]


def _idle_placements(picture: Picture, names: Names, nodes: Sequence[Nodes]) -> list[Placement]:
    used = {n.placement.key for n in nodes if isinstance(n.placement, Placement)}
    return [
        Placement(names.of(r.place), strategy(r.properties), own)
        for r in picture.of(PLACEMENT)
        if (own := (r.place.stack, r.place.logical_id)) not in used
    ]
