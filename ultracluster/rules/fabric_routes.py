"""FABRIC rules about routes, NAT gateways and endpoints."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from ultracluster.catalogue.prices import NAT_DATA, price
from ultracluster.model.jobs import TrainingJob
from ultracluster.model.model import Model
from ultracluster.model.networks import Subnet
from ultracluster.model.nodes import Node, described
from ultracluster.model.resource import Index, index
from ultracluster.model.security_groups import GroupRule
from ultracluster.model.traffic import block_within
from ultracluster.rules.rule import About, Fault, of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Link, ResolvedResource
from ultracluster.templates.resolved_values import Key, UndeterminedError

VPC: Final = "AWS::EC2::VPC"
ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
INTERNET: Final = "AWS::EC2::InternetGateway"
NAT: Final = "AWS::EC2::NatGateway"
TLS: Final = 443
S3: Final = re.compile(r"com\.amazonaws\.(?P<region>.+)\.s3")
GB_PER_GIB: Final = 1.073741824
ROUTES: Final = "aws ec2 describe-route-tables --filters Name=association.subnet-id,Values=<subnet>"


def _interface_endpoints(model: Model) -> Sequence[ResolvedResource]:
    return [e for e in model.of(ENDPOINT) if e.properties.get("SecurityGroupIds") not in (None, [])]


def _admissions(model: Model, endpoint: ResolvedResource) -> Iterator[GroupRule]:
    """Yield the rules that let HTTPS into an endpoint."""
    for name in read.keys(endpoint.properties, "SecurityGroupIds"):
        if name not in model.groups.known:
            raise read.not_given(name, "security group")
        for rule in model.groups.known[name].of("in"):
            if TLS in rule.traffic.tcp_ports:
                yield rule


def _further_blocks(model: Model) -> Index[ResolvedResource]:
    blocks = model.of("AWS::EC2::VPCCidrBlock")
    return index(blocks, lambda block: [read.key(block.properties, "VpcId")])


def _blocks(model: Model, vpc: Key) -> list[str]:
    """Return the address blocks of a VPC of the templates, none where one is not known."""
    resource = model.at(vpc)
    more = model.cached(_further_blocks).of(vpc)
    found = [r.properties.get("CidrBlock") for r in (*([resource] if resource else []), *more)]
    return [block for block in found if isinstance(block, str)] if all(found) else []


def _is_let_in(rule: GroupRule, vpc: Key, block: str, groups: Sequence[Key]) -> bool:
    """Whether a rule lets in whoever has an address of a block, or is in one of some groups."""
    if rule.kind == "group":
        return read.key(rule.peer) in groups
    if isinstance(rule.peer, Link) and rule.peer.key == vpc:
        # The block of the VPC, as its attribute.
        return True
    if rule.kind == "cidr":
        return block_within(block, read.text(rule.peer))
    raise UndeterminedError("a prefix list may hold its clients")


def _nodes_by_vpc(model: Model) -> Index[tuple[Node, Subnet]]:
    placed: list[tuple[Node, Subnet]] = []
    for node in model.nodes:
        with suppress(UndeterminedError):
            placed += [(node, model.networks.subnet(name)) for name in node.subnets()]
    return index(placed, lambda each: [read.key(each[1].properties, "VpcId")])


def _clients(model: Model, vpc: Key) -> Iterator[tuple[str, str, list[Key]]]:
    """Yield name, block of addresses and security groups of the nodes in a VPC."""
    for node, subnet in model.cached(_nodes_by_vpc).of(vpc):
        block = read.text(subnet.properties, "CidrBlock") or ""
        yield described(node), block, list(map(read.key, node.primary_groups()))


@About(_interface_endpoints).error(
    "FABRIC-35",
    what="Security groups block HTTPS from nodes to an interface endpoint.",
    why="With private DNS every call to the service ends at the endpoint: without TCP 443 nodes "
    "can neither be entered, nor register, nor pull images.",
    source="VPC user guide, interface endpoints, security groups, read 2026-11-27",
    fix="add ingress of TCP 443 from the VPC's CidrBlock to the group of the endpoint",
    check="aws ec2 describe-security-groups --group-ids <group of the endpoint>",
)
def endpoint_for_its_network(model: Model, endpoint: ResolvedResource) -> Iterator[Fault]:
    if not read.items(endpoint.properties, "SubnetIds"):
        yield Fault("it is in no subnet")
    if (read.text(endpoint.properties, "VpcEndpointType") or "Gateway") == "Gateway":
        yield Fault("VpcEndpointType is Gateway, which takes no security group")
    vpc = read.key(endpoint.properties, "VpcId")
    rules = list(_admissions(model, endpoint))
    clients = list(_clients(model, vpc))
    for block in () if clients else _blocks(model, vpc):
        clients = [
            (
                "nobody of the VPC",
                block,
                [read.key(rule.peer) for rule in rules if rule.kind == "group"],
            )
        ]
    # Endpoints share their group: what is wrong with it is said once.
    place = model.groups.known[read.keys(endpoint.properties["SecurityGroupIds"])[0]].place
    for name, block, groups in dict.fromkeys((n, b, tuple(g)) for n, b, g in clients):
        if not any(_is_let_in(rule, vpc, block, groups) for rule in rules):
            yield Fault(f"{name} in {block} is not let in by TCP {TLS}", place=place)
        elif groups and model.groups.closed_ports(list(groups), "out", [TLS]):
            yield Fault(f"{name} lets no TCP {TLS} out", place=place)


@About(_interface_endpoints).info(
    "FABRIC-36",
    what="The security group of an interface endpoint allows addresses outside of its VPC.",
    why="Whoever is peered with the network, or comes through a VPN, may use the account's way to "
    "the service.",
    source="VPC user guide, interface endpoints, security groups, read 2026-11-27",
    fix="write the VPC's CidrBlock",
    check="aws ec2 describe-security-groups --group-ids <group of the endpoint>",
)
def endpoint_for_no_other(model: Model, endpoint: ResolvedResource) -> Iterator[Fault]:
    own = _blocks(model, read.key(endpoint.properties, "VpcId"))
    for rule in _admissions(model, endpoint) if own else ():
        if rule.kind != "cidr" or not isinstance(rule.peer, str):
            continue
        if not any(block_within(rule.peer, block) for block in own):
            yield Fault(f"it admits {rule.peer}, the VPC is {', '.join(own)}", place=rule.place)


def _used(model: Model) -> Index[Key]:
    """Return the subnets that nodes and jobs run in by their VPC, as far as that is known."""
    users: list[Node | TrainingJob] = [*model.nodes, *model.training_jobs]
    named: dict[Key, None] = {}
    for user in users:
        with suppress(UndeterminedError):
            named.update(dict.fromkeys(user.subnets()))
    known = model.networks.subnets
    found = [name for name in named if name in known]
    return index(found, lambda name: [read.key(known[name].properties, "VpcId")])


def _leads_to(model: Model, table: Key, name: str, kind: str) -> bool:
    """Whether the default route of a table leads to a gateway of a type."""
    prefix = {INTERNET: "igw-", NAT: "nat-"}[kind]
    for route in model.networks.default_routes(table):
        stated = route.properties.get(name)
        if stated is not None:
            found = model.at(read.key(stated))
            if found is None and read.written(stated).startswith(prefix):
                return True
            users = model.users.get(found.place.key, ()) if found else ()
            attached = any(u.resource_type == "AWS::EC2::VPCGatewayAttachment" for u in users)
            if found and found.resource_type == kind and (kind == NAT or attached):
                return True
    return False


def _is_s3(model: Model, endpoint: ResolvedResource) -> bool:
    found = S3.fullmatch(read.written(endpoint.properties.get("ServiceName")))
    region = found["region"] if found else ""
    return bool(found) and ("\x00" in region or model.region in (None, region))


def _monthly(model: Model) -> str:
    """Return what reading a file system's worth of data once a month costs through a NAT."""
    cost = price(NAT_DATA, model.region or "")
    if cost is None:
        return ""
    gib = 0
    for system in model.file_systems:
        with suppress(UndeterminedError):
            gib += system.gibibytes() or 0
    whole = f", {gib * GB_PER_GIB * float(cost.usd):,.0f} USD a month for as much as the file "
    said = f"{whole}systems hold" if gib else ""
    return f": {float(cost.usd) * 1000:.0f} USD for each TB{said}"


@of(VPC).warning(
    "FABRIC-37",
    what="Nodes reach S3 through a NAT gateway, or not at all.",
    why="Datasets, checkpoints and image layers are billed by the gigabyte at the NAT gateway, "
    "which also limits how fast they come; a gateway endpoint is free.",
    source="VPC user guide, gateway endpoints and NAT gateway pricing, read 2026-11-27; prices of "
    "the catalogue",
    fix="write the route tables of the nodes' subnets into RouteTableIds of a gateway endpoint "
    "for com.amazonaws.<region>.s3",
    check=ROUTES,
)
def s3_without_nat(model: Model, vpc: ResolvedResource) -> Iterator[Fault]:
    endpoints = [e for e in model.networks.in_vpc(ENDPOINT, vpc.place.key) if _is_s3(model, e)]
    if any(read.text(e.properties, "VpcEndpointType") == "Interface" for e in endpoints):
        return
    served = {name for e in endpoints for name in read.keys(e.properties, "RouteTableIds")}
    for subnet in list(model.cached(_used).of(vpc.place.key)):
        table = model.networks.route_table(subnet)
        if table is None or table in served:
            continue
        if _leads_to(model, table, "NatGatewayId", NAT):
            yield Fault(
                f"{read.shown(table)} of {read.shown(subnet)} has no endpoint for S3, and leads to "
                f"a NAT gateway{model.cached(_monthly)}"
            )
        elif endpoints and not list(model.networks.default_routes(table)):
            yield Fault(f"{read.shown(table)} of {read.shown(subnet)} has no way to S3")


def _gets_public_address(model: Model, node: Node, subnet: Key) -> bool:
    cards = node.interfaces()
    if len(cards) > 1:
        return False
    asked = read.flag(cards[0] if cards else {}, "AssociatePublicIpAddress")
    given = model.networks.subnet(subnet).gives_public_addresses()
    return given if asked is None else asked


@About[Node | TrainingJob | ResolvedResource](
    lambda model: [*model.nodes, *model.training_jobs, *model.of(NAT)]
).warning(
    "FABRIC-38",
    what="A default route does not reach the internet.",
    why="An internet gateway takes nothing from an address that is not public, which nodes with "
    "several interfaces and training jobs never have, and a NAT gateway needs one behind it.",
    source="VPC user guide, internet gateways and NAT gateways; EC2 User Guide, public IPv4 "
    "addresses; read 2026-11-27",
    fix="route 0.0.0.0/0 of the nodes' subnets to a NAT gateway, and that of its own subnet to the "
    "internet gateway",
    check=ROUTES,
)
def ways_out(model: Model, one: Node | TrainingJob | ResolvedResource) -> Iterator[Fault]:
    if isinstance(one, ResolvedResource):
        if one.properties.get("ConnectivityType") == "private":
            return
        subnet = read.key(one.properties, "SubnetId")
        table = model.networks.route_table(subnet) if subnet in model.networks.subnets else None
        if table and not _leads_to(model, table, "GatewayId", INTERNET):
            yield Fault(
                f"{read.shown(table)} of its subnet leads to no internet gateway that is attached"
            )
        return
    if isinstance(one, Node) and one.launcher is None:
        return
    for subnet in one.subnets():
        table = model.networks.route_table(subnet) if subnet in model.networks.subnets else None
        if table is None or not _leads_to(model, table, "GatewayId", INTERNET):
            continue
        if isinstance(one, TrainingJob) or not _gets_public_address(model, one, subnet):
            who: Any = "the job" if isinstance(one, TrainingJob) else described(one)
            yield Fault(f"{who} is in {read.shown(subnet)}, which leads to an internet gateway")
