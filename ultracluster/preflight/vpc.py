"""A VPC that is there already: what it is, DNS, routes, endpoints."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.preflight.finding import Finding, Situation, failed, or_passed, passed, skipped
from ultracluster.preflight.inquiry import question
from ultracluster.preflight.subnets import EVERYWHERE, network_check, of_vpc, route_table
from ultracluster.spec.network import INTERFACE_ENDPOINTS, ExistingNetworkSpec

NO_VPC: Final = "InvalidVpcID"
ATTRIBUTES: Final = (
    ("enableDnsSupport", "EnableDnsSupport", "support"),
    ("enableDnsHostnames", "EnableDnsHostnames", "hostnames"),
)


def _shape(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
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
    tenancy = row.get("InstanceTenancy", "default")
    if network.cidr not in blocks:
        fix = f'write network.cidr="{blocks[0]}"; rules of security groups are made from it'
        yield failed(f"block of {name}", ", ".join(blocks), network.cidr, fix, question=asked)
    if tenancy != "default":
        # SageMaker Developer Guide, train-vpc (2023).
        fix = "use a VPC of default tenancy; SageMaker takes no other"
        yield failed(f"tenancy of {name}", tenancy, "default", fix, question=asked)
    if network.cidr in blocks and tenancy == "default":
        yield passed(name, f"{network.cidr}, default tenancy", asked)


def _dns(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    name, wrong = network.vpc_id, []
    for attribute, key, option in ATTRIBUTES:
        asked = question("ec2", "describe_vpc_attribute", VpcId=name, Attribute=attribute)
        answer = situation.ask_unless(asked, NO_VPC)
        if answer is None:
            yield skipped(f"DNS of {name}", "no such VPC; see vpc-shape")
            return
        if not answer[key]["Value"]:
            fix = "switch it on: endpoints and the file system are found by name"
            command = f"aws ec2 modify-vpc-attribute --vpc-id {name} --enable-dns-{option}"
            command += f" --region {situation.spec.region}"
            subject = f"{attribute} of {name}"
            wrong += [failed(subject, "off", "on", fix, question=asked, fix_command=command)]
    good = passed(f"DNS of {name}", "resolution and host names are on", asked)
    yield from or_passed(iter(wrong), good)


def _routes(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked = of_vpc("describe_route_tables", network)
    if situation.ask(asked)["RouteTables"]:
        good = passed("routes", "AWS's services are reached from every subnet", asked)
        yield from or_passed(_wrong_routes(situation, network), good)
    else:
        yield skipped("routes", "no such VPC; see vpc-shape")


def _wrong_routes(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked = of_vpc("describe_route_tables", network)
    for subnet in network.training_subnets:
        table = route_table(situation.ask(asked)["RouteTables"], subnet.subnet_id)
        routes = table.get("Routes", []) if table else []
        default = [r for r in routes if r.get("DestinationCidrBlock") == EVERYWHERE]
        fault = _fault_of(default)
        if fault:
            found, fix = fault
            subject = f"default route of {subnet.subnet_id}"
            yield failed(subject, found, "a NAT gateway, or none", fix, question=asked)
        elif not default:
            s3_comes = subnet.route_table_id is not None
            missing = list(_not_reached(situation, network, table, s3_comes=s3_comes))
            if missing:
                yield failed(
                    f"way out of {subnet.subnet_id}",
                    f"no default route, and no endpoint of {', '.join(missing)}",
                    "a NAT gateway, or an endpoint of each service",
                    "add them to network.interface_endpoints (S3: name the subnet's "
                    "route_table_id), or a route to a NAT gateway",
                    question=of_vpc("describe_vpc_endpoints", network),
                )


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


def _endpoints(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    """Two endpoints of a service with private DNS cannot be in one VPC."""
    if not network.interface_endpoints:
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
    twice = (
        failed(
            f"endpoint of {name}",
            f"{there[name]} is there",
            "none",
            f'take "{name}" out of network.interface_endpoints',
            question=asked,
        )
        for name in network.interface_endpoints
        if name in there
    )
    yield from or_passed(twice, passed("endpoints to add", "none of them is there already", asked))


CHECKS: Final = (
    network_check(
        "vpc-shape", "The given VPC exists, with the block of the spec", "given VPC", _shape
    ),
    network_check("vpc-dns", "The given VPC resolves names", "DNS of the VPC", _dns),
    network_check("vpc-routes", "Given subnets reach AWS by NAT or endpoints", "routes", _routes),
    network_check(
        "vpc-endpoints", "Endpoints to add are not there already", "endpoints to add", _endpoints
    ),
)
