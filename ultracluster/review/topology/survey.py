"""A variant of resolved resources, read as a topology."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from ultracluster.model.model import Model
from ultracluster.review.naming import Names, short
from ultracluster.review.topology.model import (
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
from ultracluster.review.topology.networks import Contents, read_nats, read_vpcs
from ultracluster.review.topology.nodes import (
    PLACEMENT,
    RESERVATION,
    read_nodes,
    reservation,
    strategy,
)
from ultracluster.review.topology.roles import read_roles
from ultracluster.review.topology.services import (
    read_control_planes,
    read_endpoints,
    read_job_interfaces,
    read_schedulers,
)
from ultracluster.review.topology.storage import STORES, read_all_file_systems, read_stores
from ultracluster.templates.reading import UndeterminedError
from ultracluster.templates.resolved import Unknown, Variant

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


def survey(names: Sequence[str], variants: Sequence[Variant]) -> Topology:
    """Return the topology of the variant with most in it, and what had to be assumed for it."""
    variant = max(variants, key=lambda each: len(each.resources))
    model = Model(variant)
    called = Names(variant.resources)
    contents = Contents(
        nodes=list(read_nodes(model, called)),
        file_systems=list(read_all_file_systems(model, called)),
        schedulers=[
            *read_schedulers(model, called),
            *read_control_planes(model),
        ],
        endpoints=list(read_endpoints(model)),
        jobs=list(read_job_interfaces(model)),
        nats=read_nats(model),
    )
    region = variant.region
    return Topology(
        names=names,
        region=NotKnown(region.because) if isinstance(region, Unknown) else region,
        vpcs=list(read_vpcs(model, called, contents)),
        fabrics=list(_fabrics(model)),
        homeless=[t for t in _placed(contents) if isinstance(t.subnets, NotKnown) or not t.subnets],
        idle_reservations=list(_idle_reservations(model, contents.nodes)),
        idle_placements=list(_idle_placements(model, contents.nodes)),
        stores=read_stores(model),
        roles=list(read_roles(model, called)),
        others=Counter(
            r.resource_type or "no type" for r in variant.resources if r.resource_type not in DRAWN
        ),
        assumptions=[
            f"{name.rpartition('/')[2]} is {str(held).lower()}"
            for name, held in sorted(variant.choices.items())
        ],
    )


def _placed(contents: Contents) -> list[Nodes | FileSystem | Scheduler | Endpoint]:
    interface_endpoints = [e for e in contents.endpoints if not e.gateway]
    return [*contents.nodes, *contents.file_systems, *contents.schedulers, *interface_endpoints]


def _fabrics(model: Model) -> list[Fabric]:
    found = []
    for group in model.security_groups:
        try:
            loop = all(
                model.groups.members_exchange([group.key], direction) for direction in ("in", "out")
            )
        except UndeterminedError:
            continue
        if loop:
            found.append(Fabric(short(group.place), group.key))
    return found


def _idle_reservations(model: Model, nodes: Sequence[Nodes]) -> list[Reservation]:
    used = {n.reservation.name for n in nodes if isinstance(n.reservation, Reservation)}
    return [reservation(r) for r in model.of(RESERVATION) if short(r.place) not in used]


def _idle_placements(model: Model, nodes: Sequence[Nodes]) -> list[Placement]:
    used = {n.placement.key for n in nodes if isinstance(n.placement, Placement)}
    return [
        Placement(short(r.place), strategy(r.properties), own)
        for r in model.of(PLACEMENT)
        if (own := (r.place.stack, r.place.logical_id)) not in used
    ]
