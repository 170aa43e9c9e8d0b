"""A VPC that is there already: what it is, DNS, routes, endpoints."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.preflight.finding import Check, Finding, Situation, failed, passed, skipped
from ultracluster.preflight.inquiry import UnansweredError
from ultracluster.preflight.question import Question, question
from ultracluster.preflight.subnets import MADE
from ultracluster.spec.network import INTERFACE_ENDPOINTS, ExistingNetworkSpec

EVERYWHERE: Final = "0.0.0.0/0"
NO_VPC: Final = "InvalidVpcID"
ATTRIBUTES: Final = (
    ("enableDnsSupport", "EnableDnsSupport"),
    ("enableDnsHostnames", "EnableDnsHostnames"),
)


def _shape(situation: Situation) -> Iterator[Finding]:
    network = situation.spec.network
    if not isinstance(network, ExistingNetworkSpec):
        yield skipped("given VPC", MADE)
        return
    name = network.vpc_id
    asked = question("ec2", "describe_vpcs", Filters=[{"Name": "vpc-id", "Values": [name]}])
    rows = situation.ask(asked)["Vpcs"]
    if not rows:
        fix = "write the id of a VPC of this account and Region in network.vpc_id"
        yield failed(name, "no such VPC here", "there", fix, question=asked)
        return
    (row,) = rows
    blocks = [each["CidrBlock"] for each in row.get("CidrBlockAssociationSet") or ()]
    blocks = blocks or [row["CidrBlock"]]
    good = True
    if network.cidr not in blocks:
        good = False
        fix = f'write network.cidr="{blocks[0]}"; rules of security groups are made from it'
        yield failed(f"block of {name}", ", ".join(blocks), network.cidr, fix, question=asked)
    if row.get("InstanceTenancy", "default") != "default":
        good = False
        # SageMaker Developer Guide, train-vpc (2023).
        fix = "use a VPC of default tenancy; SageMaker takes no other"
        yield failed(f"tenancy of {name}", row["InstanceTenancy"], "default", fix, question=asked)
    if good:
        yield passed(name, f"{network.cidr}, default tenancy", asked)


def _dns(situation: Situation) -> Iterator[Finding]:
    network = situation.spec.network
    if not isinstance(network, ExistingNetworkSpec):
        yield skipped("DNS of the VPC", MADE)
        return
    good = True
    for attribute, key in ATTRIBUTES:
        asked = question("ec2", "describe_vpc_attribute", VpcId=network.vpc_id, Attribute=attribute)
        try:
            value = situation.ask(asked)[key]["Value"]
        except UnansweredError as error:
            if not error.code.startswith(NO_VPC):
                raise
            yield skipped(f"DNS of {network.vpc_id}", "no such VPC; see vpc-shape")
            return
        if value:
            continue
        good = False
        option = "support" if attribute == "enableDnsSupport" else "hostnames"
        yield failed(
            f"{attribute} of {network.vpc_id}",
            "off",
            "on",
            "switch it on: endpoints and the file system are found by name",
            question=asked,
            fix_command=f"aws ec2 modify-vpc-attribute --vpc-id {network.vpc_id} "
            f"--enable-dns-{option} --region {situation.spec.region}",
        )
    if good:
        yield passed(f"DNS of {network.vpc_id}", "resolution and host names are on", asked)


def _routes(situation: Situation) -> Iterator[Finding]:
    network = situation.spec.network
    if not isinstance(network, ExistingNetworkSpec):
        yield skipped("routes", MADE)
        return
    tables_asked = of_vpc("describe_route_tables", network)
    tables = situation.ask(tables_asked)["RouteTables"]
    if not tables:
        yield skipped("routes", "no such VPC; see vpc-shape")
        return
    good = True
    for subnet in network.training_subnets:
        table = route_table(tables, subnet.subnet_id)
        routes = table.get("Routes", []) if table else []
        default = [r for r in routes if r.get("DestinationCidrBlock") == EVERYWHERE]
        fault = _fault_of(default)
        if fault:
            good = False
            found, fix = fault
            subject = f"default route of {subnet.subnet_id}"
            yield failed(subject, found, "a NAT gateway, or none", fix, question=tables_asked)
        elif not default:
            s3_comes = subnet.route_table_id is not None
            missing = list(_not_reached(situation, network, table, s3_comes=s3_comes))
            if missing:
                good = False
                yield failed(
                    f"way out of {subnet.subnet_id}",
                    f"no default route, and no endpoint of {', '.join(missing)}",
                    "a NAT gateway, or an endpoint of each service",
                    "add them to network.interface_endpoints (S3: name the subnet's "
                    "route_table_id), or a route to a NAT gateway",
                    question=of_vpc("describe_vpc_endpoints", network),
                )
    if good:
        yield passed("routes", "AWS's services are reached from every subnet", tables_asked)


def _fault_of(default: list[dict[str, Any]]) -> tuple[str, str] | None:
    for route in default:
        if route.get("State") == "blackhole":
            return "a black hole: what it leads to is gone", "replace the route"
        if str(route.get("GatewayId", "")).startswith("igw-"):
            return (
                f"the internet gateway {route['GatewayId']}",
                "use private subnets: nodes have no public address, so nothing answers them",
            )
    return None


def _not_reached(
    situation: Situation,
    network: ExistingNetworkSpec,
    table: dict[str, Any] | None,
    *,
    s3_comes: bool,
) -> Iterator[str]:
    """Yield the services that a subnet without a default route does not reach."""
    marker = f".{situation.spec.region}."
    reached = set(network.interface_endpoints)
    for row in situation.ask(of_vpc("describe_vpc_endpoints", network))["VpcEndpoints"]:
        service = row["ServiceName"].partition(marker)[2]
        gateway = row.get("VpcEndpointType") == "Gateway"
        if not gateway or (table and table["RouteTableId"] in row.get("RouteTableIds", ())):
            reached.add(service)
    if s3_comes:
        reached.add("s3")
    yield from (name for name in ("s3", *INTERFACE_ENDPOINTS) if name not in reached)


def _endpoints(situation: Situation) -> Iterator[Finding]:
    """Two endpoints of a service with private DNS cannot be in one VPC."""
    network = situation.spec.network
    if not isinstance(network, ExistingNetworkSpec) or not network.interface_endpoints:
        yield skipped("endpoints to add", "the environment adds none to a given VPC")
        return
    asked = of_vpc("describe_vpc_endpoints", network)
    marker = f".{situation.spec.region}."
    there = {
        row["ServiceName"].partition(marker)[2]: row["VpcEndpointId"]
        for row in situation.ask(asked)["VpcEndpoints"]
        if row.get("VpcEndpointType") == "Interface"
        and row.get("PrivateDnsEnabled")
        and not situation.of_environment(row)
    }
    twice = [name for name in network.interface_endpoints if name in there]
    for name in twice:
        fix = f'take "{name}" out of network.interface_endpoints'
        yield failed(f"endpoint of {name}", f"{there[name]} is there", "none", fix, question=asked)
    if not twice:
        yield passed("endpoints to add", "none of them is there already", asked)


def of_vpc(operation: str, network: ExistingNetworkSpec) -> Question:
    """Return the question for what a VPC has of something."""
    return question("ec2", operation, Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}])


def route_table(tables: list[dict[str, Any]], subnet_id: str) -> dict[str, Any] | None:
    """Return the table of a subnet: its own, or the VPC's main one."""
    main = None
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet_id:
                return table
            if association.get("Main"):
                main = table
    return main


CHECKS: Final = (
    Check("vpc-shape", "The given VPC exists, with the block of the spec", _shape),
    Check("vpc-dns", "The given VPC resolves names", _dns),
    Check("vpc-routes", "Given subnets reach AWS by NAT or endpoints", _routes),
    Check("vpc-endpoints", "Endpoints to add are not there already", _endpoints),
)
