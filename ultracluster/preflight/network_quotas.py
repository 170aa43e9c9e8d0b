"""Quotas of the network: interfaces by layout, VPCs, Elastic IPs, NAT and gateway endpoints."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from ultracluster.catalogue.interfaces import layout
from ultracluster.preflight.finding import Check, Finding, Situation, skipped
from ultracluster.preflight.question import Question, question
from ultracluster.preflight.quotas import Demand, Quota, judged
from ultracluster.spec.network import NetworkSpec

INTERFACES: Final = question("ec2", "describe_network_interfaces", MaxResults=1000)
VPCS: Final = question("ec2", "describe_vpcs", MaxResults=1000)
ADDRESSES: Final = question("ec2", "describe_addresses")
NAT_GATEWAYS: Final = question(
    "ec2",
    "describe_nat_gateways",
    Filters=[{"Name": "state", "Values": ["pending", "available"]}],
    MaxResults=1000,
)
ENDPOINTS: Final = question("ec2", "describe_vpc_endpoints", MaxResults=1000)
SUBNETS: Final = question("ec2", "describe_subnets", MaxResults=1000)

NETWORK_INTERFACES: Final = Quota("vpc", "Network interfaces per Region", "L-DF5E4CA3")
VPCS_PER_REGION: Final = Quota("vpc", "VPCs per Region", "L-F678F1CE")
ELASTIC_IPS: Final = Quota("ec2", "EC2-VPC Elastic IPs", "L-0263D0A3")
NATS_PER_ZONE: Final = Quota("vpc", "NAT gateways per Availability Zone", "L-FE5A380F")
GATEWAY_ENDPOINTS: Final = Quota("vpc", "Gateway VPC endpoints per Region", "L-1B52E74A")
MADE_FOR_IT: Final = "the environment uses a VPC that is there already"
CLOSED: Final = "the environment's network has no NAT gateway"


def _interfaces(situation: Situation) -> Iterator[Finding]:
    spec = situation.spec
    per_node = len(layout(spec.nodes.instance, spec.nodes.interface_layout))
    nat = isinstance(spec.network, NetworkSpec) and spec.network.public_subnet_cidr is not None
    # Everything but a node has as many interfaces as addresses.
    others = {name: n for name, n in spec.address_demand().items() if name != "nodes"}
    parts = {"nodes": spec.nodes.count * per_node, **others, "NAT": int(nat)}
    words = " + ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    demand = Demand(
        NETWORK_INTERFACES, sum(parts.values()), f"{words}; {per_node} a node", _interfaces_in_use
    )
    yield from judged(demand, situation)


def _interfaces_in_use(situation: Situation) -> int:
    own = {v["VpcId"] for v in situation.ask(VPCS)["Vpcs"] if situation.of_environment(v)}
    rows = situation.ask(INTERFACES)["NetworkInterfaces"]
    return sum(row.get("VpcId") not in own for row in rows)


def _vpcs(situation: Situation) -> Iterator[Finding]:
    quota = VPCS_PER_REGION
    if not isinstance(situation.spec.network, NetworkSpec):
        yield skipped(quota.name, MADE_FOR_IT)
        return
    yield from judged(Demand(quota, 1, "the VPC", _others(VPCS, "Vpcs")), situation)


def _elastic_ips(situation: Situation) -> Iterator[Finding]:
    quota = ELASTIC_IPS
    reason = _why_no_nat(situation)
    if reason:
        yield skipped(quota.name, reason)
        return
    demand = Demand(quota, 1, "the NAT gateway's address", _others(ADDRESSES, "Addresses"))
    yield from judged(demand, situation)


def _nat_gateways(situation: Situation) -> Iterator[Finding]:
    quota = NATS_PER_ZONE
    reason = _why_no_nat(situation)
    if reason:
        yield skipped(quota.name, reason)
        return
    yield from judged(Demand(quota, 1, "the NAT gateway", _nat_in_zone), situation)


def _nat_in_zone(situation: Situation) -> int:
    zones = {
        row["SubnetId"]: row["AvailabilityZoneId"] for row in situation.ask(SUBNETS)["Subnets"]
    }
    return sum(
        zones.get(row.get("SubnetId")) == situation.spec.availability_zone_id
        for row in situation.ask(NAT_GATEWAYS)["NatGateways"]
        if not situation.of_environment(row)
    )


def _gateway_endpoints(situation: Situation) -> Iterator[Finding]:
    network = situation.spec.network
    if not isinstance(network, NetworkSpec) and not any(
        subnet.route_table_id for subnet in network.training_subnets
    ):
        why = f"{MADE_FOR_IT}, and no route table of it is to have an S3 endpoint"
        yield skipped(GATEWAY_ENDPOINTS.name, why)
        return
    demand = Demand(GATEWAY_ENDPOINTS, 1, "S3", _gateway_endpoints_in_use)
    yield from judged(demand, situation)


def _gateway_endpoints_in_use(situation: Situation) -> int:
    return sum(
        row.get("VpcEndpointType") == "Gateway"
        for row in situation.ask(ENDPOINTS)["VpcEndpoints"]
        if not situation.of_environment(row)
    )


def _others(asked: Question, key: str) -> Callable[[Situation], int]:
    """Return a count of what is there beside the environment's own."""

    def count(situation: Situation) -> int:
        rows: list[dict[str, Any]] = situation.ask(asked)[key]
        return sum(not situation.of_environment(row) for row in rows)

    return count


def _why_no_nat(situation: Situation) -> str:
    network = situation.spec.network
    if not isinstance(network, NetworkSpec):
        return MADE_FOR_IT
    return "" if network.public_subnet_cidr is not None else CLOSED


CHECKS: Final = (
    Check("quota-network-interfaces", "Network interfaces, by the nodes' layout", _interfaces),
    Check("quota-vpcs", "VPCs of the Region", _vpcs),
    Check("quota-elastic-ips", "Elastic IPs of the Region", _elastic_ips),
    Check("quota-nat-gateways", "NAT gateways of the zone", _nat_gateways),
    Check("quota-gateway-endpoints", "Gateway endpoints of the Region", _gateway_endpoints),
)
