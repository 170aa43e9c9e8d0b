"""FABRIC rules about zones, subnets, network ACLs and DNS."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.model.jobs import HyperPodGroup
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.rules.capacity_placement import in_a_cluster_group
from ultracluster.rules.rule import About, Fault, launched, nodes, of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import Key, UndeterminedError

NOT_ROUTABLE: Final = "EC2 User Guide, EFA limitations, text of 2026-08-01"
DIRECTIONS: Final = ((False, "in"), (True, "out"))


def _efa_subnets(node: Node) -> list[Key]:
    """Return the subnets of a node with EFA, none of one without."""
    return node.subnets() if node.efa_interfaces() else []


def _subnets(one: Node | HyperPodGroup) -> list[Key]:
    """Return the subnets of nodes that speak EFA with each other, none of others."""
    if isinstance(one, Node):
        return [] if one.alone() else _efa_subnets(one)
    instance = one.instance_type()
    return one.subnets() if instance and instance.network_cards.count > 1 else []


@About[Node | HyperPodGroup](lambda model: [*model.nodes, *model.hyperpod_groups]).warning(
    "FABRIC-12",
    what="Nodes with EFA are launched into several availability zones.",
    why="EFA traffic is not routable and does not leave a zone; ranks in two zones fall back to "
    "TCP or hang.",
    source=f"{NOT_ROUTABLE}; awsome-distributed-ai efa-cheatsheet",
    fix="keep the subnets of one zone, or write one group of nodes for each zone (of HyperPod by "
    "OverrideVpcConfig)",
    check="aws ec2 describe-subnets --subnet-ids <subnets> --query 'Subnets[].AvailabilityZoneId'",
)
def efa_in_one_zone(model: Model, one: Node | HyperPodGroup) -> Iterator[Fault]:
    if several := model.networks.several_zones(_subnets(one)):
        who = described(one) if isinstance(one, Node) else one.name()
        yield Fault(f"{who} launches into {several}")


def _passes_fabric(entries: Sequence[Mapping[str, Any]], block: str) -> bool:
    """Whether entries, in order of their numbers, let everything pass for a whole block."""
    for entry in sorted(entries, key=lambda e: read.number(e, "RuleNumber") or 0):
        stated = read.text(entry, "CidrBlock")
        if read.text(entry, "Protocol") != "-1" or stated is None:
            continue
        inner, outer = ipaddress.ip_network(block), ipaddress.ip_network(stated, strict=False)
        if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
            allows = read.text(entry, "RuleAction") == "allow"
            if inner.subnet_of(outer):
                return allows
            if not allows and inner.overlaps(outer):
                return False
    return False


@nodes.warning(
    "FABRIC-15",
    what="A network ACL between the subnets of EFA nodes does not allow all traffic.",
    why="EFA has no ports that could be listed: an ACL that admits TCP alone cuts off nodes in the "
    "other subnets.",
    source=f"{NOT_ROUTABLE}; VPC guide, network ACLs, read 2026-11-23",
    fix="add entries with Protocol -1, RuleAction allow, for the block of each subnet, both ways",
    check="aws ec2 describe-network-acls --filters Name=association.subnet-id,Values=<subnet>",
)
def open_acl_between_nodes(model: Model, node: Node) -> Iterator[Fault]:
    subnets = _efa_subnets(node)
    # Within one subnet an ACL is never asked.
    if len(subnets) < 2:  # noqa: PLR2004
        return
    for association in model.networks.of("AWS::EC2::SubnetNetworkAclAssociation"):
        own = read.key(association.properties, "SubnetId")
        if own not in subnets:
            continue
        acl = read.key(association.properties, "NetworkAclId")
        entries = [
            entry.properties
            for entry in model.networks.of("AWS::EC2::NetworkAclEntry")
            if read.same(entry.properties.get("NetworkAclId"), acl)
        ]
        for other in (name for name in subnets if name != own):
            block = read.text(model.networks.subnet(other).properties, "CidrBlock") or ""
            for egress, words in DIRECTIONS:
                mine = [e for e in entries if bool(read.flag(e, "Egress")) is egress]
                if not _passes_fabric(mine, block):
                    yield Fault(
                        f"{read.shown(acl)} does not let all traffic {words} between "
                        f"{read.shown(own)} and {block}"
                    )


@of("AWS::EC2::VPC").fatal(
    "FABRIC-16",
    what="DNS support or host names are off in a VPC that needs them.",
    why="Private DNS of interface endpoints and the DNS name of a Lustre file system need both "
    "attributes; endpoints are refused, mounts fail.",
    source="VPC guide, DNS attributes; FSx for Lustre guide, mounting; read 2026-11-23",
    fix="write EnableDnsSupport: true and EnableDnsHostnames: true",
    check="aws ec2 describe-vpc-attribute --vpc-id <vpc> --attribute enableDnsHostnames",
)
def dns_in_the_vpc(model: Model, vpc: ResolvedResource) -> Iterator[Fault]:
    # EC2's defaults for a VPC that is not the account's default one.
    support = read.flag(vpc.properties, "EnableDnsSupport")
    off = [
        name
        for name, value in (
            ("EnableDnsSupport", support is not False),
            ("EnableDnsHostnames", read.flag(vpc.properties, "EnableDnsHostnames") or False),
        )
        if not value
    ]
    if not off:
        return
    own = vpc.place.key
    for endpoint in model.networks.in_vpc("AWS::EC2::VPCEndpoint", own):
        if read.flag(endpoint.properties, "PrivateDnsEnabled"):
            yield Fault(f"{' and '.join(off)} off, with endpoint {endpoint.place.logical_id}")
            return
    # A file system is mounted by its name, which EnableDnsSupport alone resolves.
    if support is False:
        for system in model.networks.in_vpc("AWS::FSx::FileSystem", own):
            yield Fault(f"EnableDnsSupport off, with file system {system.place.logical_id}")
            return


def _most(model: Model, node: Node) -> int | None:
    """Return how many nodes there are: as many as are launched, or as are reserved for them."""
    most = node.most()
    target = node.reservation_target()
    if most is not None or target is None:
        return most
    stated = node.reservation()
    if stated is None:
        raise UndeterminedError("it is not known what the group of reservations holds")
    reservation = model.get(stated, "AWS::EC2::CapacityReservation")
    return read.number(reservation.properties, "InstanceCount")


@nodes.fatal(
    "FABRIC-17",
    what="The subnets have fewer addresses than the nodes take.",
    why="Every interface that is not efa-only takes an address, and AWS keeps 5 of each subnet: "
    "the last nodes of a fleet fail to launch (500 P4d with 4 addresses each need 2,005).",
    source="awsome-distributed-ai#1122; VPC guide, subnet sizing, read 2026-11-23",
    fix="write a larger CidrBlock, or efa-only interfaces, which take no address",
    check="aws ec2 describe-subnets --subnet-ids <subnets> "
    "--query 'Subnets[].AvailableIpAddressCount'",
)
def subnets_large_enough(model: Model, node: Node) -> Iterator[Fault]:
    # Somebody who launches a single instance would see it at once.
    if node.launcher is not None and node.launcher.kind == "instance":
        return
    # Nobody says how many there are, or there are none.
    if not (most := _most(model, node)):
        return
    need = most * node.addresses()
    subnets = node.subnets()
    have = sum(model.networks.subnet(name).addresses() for name in subnets)
    if need > have:
        size = 32 - (need + 5 - 1).bit_length()
        yield Fault(
            f"{described(node)} takes up to {need} addresses of {have} in "
            f"{', '.join(read.shown(name) for name in subnets)}",
            fix=f"write a subnet of /{size} or larger, or efa-only interfaces on all but card 0",
            place=node.launcher.place if node.launcher else node.place,
        )


@of("AWS::EC2::VPCEndpoint").warning(
    "FABRIC-20",
    what="A closed VPC reaches the image registry, but not the S3 bucket with the image layers.",
    why="ECR serves layers from S3, so that pulls hang where there is an endpoint for ecr.dkr and "
    "neither one for S3 nor a way out.",
    source="awsome-distributed-ai#525; ECR guide, interface endpoints, read 2026-11-23",
    fix="add a gateway endpoint for com.amazonaws.<region>.s3 on the route tables of the nodes",
    check="aws ec2 describe-vpc-endpoints --filters Name=vpc-id,Values=<vpc> "
    "--query 'VpcEndpoints[].ServiceName'",
)
def registry_with_its_bucket(model: Model, endpoint: ResolvedResource) -> Iterator[Fault]:
    if not read.written(endpoint.properties.get("ServiceName")).endswith(".ecr.dkr"):
        return
    vpc = read.key(endpoint.properties, "VpcId")
    if not read.known(vpc) or isinstance(vpc, str):
        raise UndeterminedError(f"VPC {read.shown(vpc)} is not in the given templates")
    services = [
        read.written(other.properties.get("ServiceName"))
        for other in model.networks.in_vpc("AWS::EC2::VPCEndpoint", vpc)
    ]
    if any(service.endswith((".s3", "\x00")) for service in services):
        return
    if not model.networks.leads_out(vpc):
        yield Fault(f"no endpoint for S3 and no default route in {read.shown(vpc)}")


@launched.warning(
    "FABRIC-25",
    what="Nodes of one group with EFA or in a cluster placement group may be of several types.",
    why="EFA of P4d, P4de and DL1 does not interoperate with other types, an interface layout "
    "fits one type, and EC2 packs a placement group for one: with several a launch finds no room "
    "sooner.",
    source="EC2 User Guide, EFA limitations, text of 2026-08-01; aws-parallelcluster "
    "PlacementGroup validators",
    fix="write one instance type, and a group of nodes for each type",
    check="aws ec2 describe-instances --filters Name=tag:Name,Values=<group> "
    "--query 'Reservations[].Instances[].InstanceType'",
)
def one_type_per_fabric(model: Model, node: Node) -> Iterator[Fault]:
    if not node.efa_interfaces() and node.placement_group() is None:
        return
    types = sorted(set(node.type_names()))
    if len(types) > 1 and (node.efa_interfaces() or in_a_cluster_group(model, node)):
        yield Fault(f"{described(node)} launches {', '.join(types)}")
