"""A variant of resolved resources, read as a topology."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ultracluster.model.launchers import LAUNCHERS
from ultracluster.model.model import Model
from ultracluster.model.policies import ROLE
from ultracluster.model.security_groups import GROUP, SEPARATE
from ultracluster.review.naming import Names, short
from ultracluster.review.topology.contents import (
    Endpoint,
    FileSystem,
    Nodes,
    Placement,
    Reservation,
    Scheduler,
)
from ultracluster.review.topology.known import NotKnown, or_none, read
from ultracluster.review.topology.model import Fabric, Topology
from ultracluster.review.topology.networks import GATEWAYS, NAT, VPC, Contents, read_nats, read_vpcs
from ultracluster.review.topology.nodes import (
    PLACEMENT,
    RESERVATION,
    placement,
    read_nodes,
    reservation,
)
from ultracluster.review.topology.roles import read_roles
from ultracluster.review.topology.services import (
    read_control_planes,
    read_endpoints,
    read_job_interfaces,
    read_schedulers,
)
from ultracluster.review.topology.storage import STORES, read_all_file_systems, read_stores
from ultracluster.templates.resolved import Unknown, Variant

DRAWN: Final = frozenset(
    {
        *GATEWAYS,
        *LAUNCHERS,
        *SEPARATE,
        *STORES,
        GROUP,
        NAT,
        PLACEMENT,
        RESERVATION,
        ROLE,
        VPC,
        "AWS::EC2::EIP",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::LaunchTemplate",
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPCEndpoint",
        "AWS::EFS::FileSystem",
        "AWS::EFS::MountTarget",
        "AWS::EKS::Cluster",
        "AWS::FSx::DataRepositoryAssociation",
        "AWS::FSx::FileSystem",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::RolePolicy",
        "AWS::PCS::Cluster",
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
        schedulers=[*read_schedulers(model, called), *read_control_planes(model)],
        endpoints=list(read_endpoints(model)),
        jobs=list(read_job_interfaces(model)),
        nats=read_nats(model),
    )
    region = variant.region
    reserved = {
        n.reservation.place for n in contents.nodes if isinstance(n.reservation, Reservation)
    }
    placed = {n.placement.key for n in contents.nodes if isinstance(n.placement, Placement)}
    resources = [r for r in variant.resources if r.resource_type not in DRAWN]
    return Topology(
        names=names,
        region=NotKnown(region.because) if isinstance(region, Unknown) else region,
        vpcs=list(read_vpcs(model, called, contents)),
        fabrics=list(_fabrics(model)),
        homeless=[thing for thing in _placed(contents) if not or_none(thing.subnets)],
        idle_reservations=[
            reservation(r) for r in model.of(RESERVATION) if r.place not in reserved
        ],
        idle_placements=[placement(r) for r in model.of(PLACEMENT) if r.place.key not in placed],
        stores=read_stores(model),
        roles=list(read_roles(model, called)),
        others=Counter(r.resource_type or "no type" for r in resources),
        assumptions=[
            f"{name.rpartition('/')[2]} is {str(held).lower()}"
            for name, held in sorted(variant.choices.items())
        ],
    )


def _placed(contents: Contents) -> list[Nodes | FileSystem | Scheduler | Endpoint]:
    interface_endpoints = [e for e in contents.endpoints if not e.gateway]
    return [*contents.nodes, *contents.file_systems, *contents.schedulers, *interface_endpoints]


def _fabrics(model: Model) -> Iterator[Fabric]:
    exchange = model.groups.members_exchange
    for group in model.security_groups:
        if all(read(exchange, [group.key], direction) is True for direction in ("in", "out")):
            yield Fabric(short(group.place), group.key)
