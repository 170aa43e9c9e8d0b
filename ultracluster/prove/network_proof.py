"""Proofs of the network: subnets, routes, endpoints, security groups."""

from collections.abc import Iterator
from typing import Any

from ultracluster.catalogue.lustre import PORTS
from ultracluster.prove.deployment import described
from ultracluster.prove.proof import Check, Evidence, equal, present
from ultracluster.spec.environment import GROUPS
from ultracluster.spec.network import NetworkSpec

EVERYWHERE = "0.0.0.0/0"
NOBODY = "255.255.255.255/32"
"""Stands in for EC2's default of everybody."""


def vpc_id(evidence: Evidence) -> str:
    network = evidence.spec.network
    if isinstance(network, NetworkSpec):
        return evidence.id_at("Network", "Network/Vpc/Resource")
    return network.vpc_id


def training_subnets(evidence: Evidence) -> list[dict[str, Any]]:
    """Return the training subnets as EC2 describes them, in the spec's order."""
    network = evidence.spec.network
    if isinstance(network, NetworkSpec):
        ids = [
            evidence.id_at("Network", f"Network/Training{index}Subnet")
            for index in range(len(network.training_subnet_cidrs))
        ]
    else:
        ids = [subnet.subnet_id for subnet in network.training_subnets]
    found = evidence.cloud.ask("ec2", "describe_subnets", SubnetIds=ids)["Subnets"]
    by_id = {subnet["SubnetId"]: subnet for subnet in found}
    return [by_id[subnet_id] for subnet_id in ids]


def filtered(evidence: Evidence, operation: str, key: str, **filters: str) -> list[dict[str, Any]]:
    """Return what EC2 shows of something by filters, `vpc_id` for `vpc-id`."""
    given = [{"Name": n.replace("_", "-"), "Values": [value]} for n, value in filters.items()]
    rows: list[dict[str, Any]] = evidence.cloud.ask("ec2", operation, Filters=given)[key]
    return rows


def network(evidence: Evidence) -> Iterator[Check]:
    """DNS, subnets in the zone, routes, endpoints, flow log and a closed default group."""
    cloud, spec = evidence.cloud, evidence.spec
    vpc = vpc_id(evidence)
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        answer = cloud.ask("ec2", "describe_vpc_attribute", VpcId=vpc, Attribute=attribute)
        key = attribute[:1].upper() + attribute[1:]
        yield equal(f"{attribute} of the VPC", True, answer[key]["Value"])
    yield from subnets(evidence)
    if isinstance(spec.network, NetworkSpec):
        yield from routes(evidence, spec.network)
        yield from default_group(evidence, vpc)
        logs = filtered(evidence, "describe_flow_logs", "FlowLogs", resource_id=vpc)
        yield equal("flow logs of the VPC", 1, len(logs))
    yield from endpoints(evidence, vpc)


def subnets(evidence: Evidence) -> Iterator[Check]:
    """The training subnets lie in the zone, and give nobody a public address."""
    spec, free = evidence.spec, 0
    found = training_subnets(evidence)
    wanted = (
        list(spec.network.training_subnet_cidrs)
        if isinstance(spec.network, NetworkSpec)
        else [subnet.cidr for subnet in spec.network.training_subnets]
    )
    yield equal("training subnets", wanted, [subnet["CidrBlock"] for subnet in found])
    for subnet in found:
        name = f"subnet {subnet['CidrBlock']}"
        zone = subnet.get("AvailabilityZoneId")
        yield equal(f"zone of {name}", spec.availability_zone_id, zone)
        public = subnet.get("MapPublicIpOnLaunch")
        yield equal(f"public addresses of {name}", False, public)
        free += subnet["AvailableIpAddressCount"]
    evidence.facts["free addresses"] = free
    demand = spec.address_demand()
    needed = demand["nodes"] + demand["SageMaker"] + demand.get(GROUPS, 0)
    yield Check("free addresses", f"at least {needed:,}", f"{free:,}", ok=free >= needed)


def routes(evidence: Evidence, network: NetworkSpec) -> Iterator[Check]:
    """Training subnets reach out by NAT, or not at all, and S3 by its gateway endpoint."""
    for subnet in training_subnets(evidence):
        of_subnet = {"association.subnet-id": subnet["SubnetId"]}
        tables = filtered(evidence, "describe_route_tables", "RouteTables", **of_subnet)
        found = [route for table in tables for route in table["Routes"]]
        default = [r for r in found if r.get("DestinationCidrBlock") == EVERYWHERE]
        kinds = sorted(
            "NAT gateway" if str(route.get("NatGatewayId", "")).startswith("nat-") else "other"
            for route in default
        )
        wanted = [] if network.public_subnet_cidr is None else ["NAT gateway"]
        yield equal(f"default route of {subnet['CidrBlock']}", wanted, kinds)


def default_group(evidence: Evidence, vpc: str) -> Iterator[Check]:
    """The VPC's default group admits nobody."""
    default = {"vpc_id": vpc, "group_name": "default"}
    groups = filtered(evidence, "describe_security_groups", "SecurityGroups", **default)
    rules = [r for g in groups for r in (*g["IpPermissions"], *g["IpPermissionsEgress"])]
    yield equal("rules of the default security group", 0, len(rules))


def endpoints(evidence: Evidence, vpc: str) -> Iterator[Check]:
    """Each service of the spec has an endpoint of its own with private DNS."""
    spec = evidence.spec
    found = filtered(evidence, "describe_vpc_endpoints", "VpcEndpoints", vpc_id=vpc)
    prefix = f".{spec.region}."
    services = {
        endpoint["ServiceName"].partition(prefix)[2]: endpoint
        for endpoint in found
        if endpoint["VpcEndpointType"] == "Interface"
    }
    wanted = sorted(spec.network.interface_endpoints)
    yield equal("interface endpoints", wanted, sorted(services))
    private = sorted(name for name, entry in services.items() if entry.get("PrivateDnsEnabled"))
    yield equal("interface endpoints with private DNS", wanted, private)
    if isinstance(spec.network, NetworkSpec):
        gateways = [e for e in found if e["ServiceName"].endswith(".s3")]
        tables = {table for e in gateways for table in e.get("RouteTableIds", [])}
        wanted_tables = len(spec.network.training_subnet_cidrs)
        yield equal("route tables with the S3 gateway endpoint", wanted_tables, len(tables))


def rules_of(evidence: Evidence, group_id: str) -> set[tuple[bool, str, int, int, str]]:
    """Return the rules of a group as (egress, protocol, first port, last port, peer)."""
    (answer,) = described(evidence.cloud, "AWS::EC2::SecurityGroup", group_id)
    rules = set()
    for egress, key in ((False, "IpPermissions"), (True, "IpPermissionsEgress")):
        for permission in answer[key]:
            ports = (permission.get("FromPort", -1), permission.get("ToPort", -1))
            peers = [pair["GroupId"] for pair in permission.get("UserIdGroupPairs", [])]
            peers += [block["CidrIp"] for block in permission.get("IpRanges", [])]
            rules |= {(egress, permission["IpProtocol"], *ports, peer) for peer in peers}
    return rules


def groups(evidence: Evidence) -> Iterator[Check]:
    """The fabric names itself in both directions; nodes and file servers reach each other."""
    spec = evidence.spec
    fabric = evidence.id_at("Network", "Fabric/Resource/Resource")
    nodes = evidence.id_at("Network", "Nodes/Resource/Resource")
    servers = evidence.id_at("Storage", "Lustre/Group/Resource")

    of_fabric = rules_of(evidence, fabric)
    for egress, direction in ((False, "in"), (True, "out")):
        itself = (egress, "-1", -1, -1, fabric)
        words = f"fabric group's rule for itself, all protocols, {direction}"
        yield present(words, there=itself in of_fabric)
    peers = {rule[4] for rule in of_fabric} - {NOBODY}
    yield equal("peers of the fabric group", {fabric}, peers)

    of_nodes, of_servers = rules_of(evidence, nodes), rules_of(evidence, servers)
    https = (True, "tcp", 443, 443, EVERYWHERE)
    yield present("nodes' rule for HTTPS out", there=https in of_nodes)
    ports = [("-1", -1, -1)] if spec.storage.efa_enabled else [("tcp", *span) for span in PORTS]
    for port in ports:
        name = "all protocols" if port[0] == "-1" else f"TCP {port[1]}-{port[2]}"
        for egress in (False, True):
            direction = "out" if egress else "in"
            for words, rule, known in (
                (f"nodes' rule for Lustre {name} {direction}", (egress, *port, servers), of_nodes),
                (f"servers' rule for nodes {name} {direction}", (egress, *port, nodes), of_servers),
                (f"servers' own rule {name} {direction}", (egress, *port, servers), of_servers),
            ):
                yield present(words, there=rule in known)
