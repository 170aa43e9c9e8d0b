"""Checks of an existing VPC: block, tenancy, DNS, routes, endpoints, network ACLs.

Network ACLs judge what crosses a subnet's edge, both ways; within one subnet they see nothing.
What must cross: HTTPS to AWS's services and the answers, and between several training subnets
everything, as the fabric and Lustre use many protocols.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.preflight.finding import Finding, Situation, check, failed, passed, skipped
from ultracluster.preflight.inquiry import question
from ultracluster.preflight.subnets import EVERYWHERE, existing, of_vpc, route_table
from ultracluster.spec.network import INTERFACE_ENDPOINTS, ExistingNetworkSpec, ExistingSubnetSpec

ATTRIBUTES: Final = (
    ("enableDnsSupport", "EnableDnsSupport", "support"),
    ("enableDnsHostnames", "EnableDnsHostnames", "hostnames"),
)


@check("vpc-shape", "The existing VPC has the block of the spec", existing("existing VPC"))
def _shape(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    name = network.vpc_id
    asked = question("ec2", "describe_vpcs", Filters=[{"Name": "vpc-id", "Values": [name]}])
    rows = situation.ask(asked)["Vpcs"]
    if not rows:
        fix = "write the id of a VPC of this account and Region in network.vpc_id"
        yield failed(name, "no such VPC in this account and Region", "there", fix, asked)
        return
    (row,) = rows
    blocks = [each["CidrBlock"] for each in row.get("CidrBlockAssociationSet") or ()]
    blocks = blocks or [row["CidrBlock"]]
    tenancy = row.get("InstanceTenancy", "default")
    if network.cidr not in blocks:
        fix = f'write network.cidr="{blocks[0]}"; rules of security groups are made from it'
        yield failed(f"block of {name}", ", ".join(blocks), network.cidr, fix, asked)
    if tenancy != "default":
        # SageMaker Developer Guide, train-vpc (2023).
        fix = "use a VPC of default tenancy; SageMaker takes no other"
        yield failed(f"tenancy of {name}", tenancy, "default", fix, asked)
    if network.cidr in blocks and tenancy == "default":
        yield passed(name, f"{network.cidr}, default tenancy", asked)


@check("vpc-dns", "The existing VPC resolves DNS names", existing("DNS of the VPC"))
def _dns(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    name, wrong = network.vpc_id, []
    for attribute, key, option in ATTRIBUTES:
        asked = question("ec2", "describe_vpc_attribute", VpcId=name, Attribute=attribute)
        answer = situation.ask_unless(asked, "InvalidVpcID")
        if answer is None:
            yield skipped(f"DNS of {name}", "no such VPC; see vpc-shape")
            return
        if not answer[key]["Value"]:
            fix = "enable it: endpoints and the file system are found by DNS names"
            command = f"aws ec2 modify-vpc-attribute --vpc-id {name} --enable-dns-{option}"
            command += f" --region {situation.spec.region}"
            subject = f"{attribute} of {name}"
            wrong += [failed(subject, "off", "on", fix, asked, fix_command=command)]
    yield from wrong or [passed(f"DNS of {name}", "resolution and host names are on", asked)]


@check("vpc-routes", "Existing subnets reach AWS by NAT gateway or endpoints", existing("routes"))
def _routes(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked = of_vpc("describe_route_tables", network)
    tables = situation.ask(asked)["RouteTables"]
    if not tables:
        yield skipped("routes", "no such VPC; see vpc-shape")
        return
    faults = []
    for subnet in network.training_subnets:
        table = route_table(tables, subnet.subnet_id)
        routes = table.get("Routes", []) if table else []
        default = [r for r in routes if r.get("DestinationCidrBlock") == EVERYWHERE]
        open_ones = [r["GatewayId"] for r in default if "igw-" in str(r.get("GatewayId"))]
        subject, wanted = f"default route of {subnet.subnet_id}", "a NAT gateway, or none"
        if any(route.get("State") == "blackhole" for route in default):
            found = "a blackhole route: its target no longer exists"
            faults.append(failed(subject, found, wanted, "replace the route", asked))
        elif open_ones:
            fix = "use private subnets: nodes have no public address for answers"
            found = f"the internet gateway {open_ones[0]}"
            faults.append(failed(subject, found, wanted, fix, asked))
        elif not default and (missing := _not_reached(situation, network, table, subnet)):
            way = failed(
                f"way out of {subnet.subnet_id}",
                f"no default route, and no endpoint of {', '.join(missing)}",
                "a NAT gateway, or an endpoint of each service",
                "add them to network.interface_endpoints (S3: name the subnet's "
                "route_table_id), or a route to a NAT gateway",
                of_vpc("describe_vpc_endpoints", network),
            )
            faults.append(way)
    good = passed("routes", "every subnet reaches the AWS services", asked)
    yield from faults or [good]


def _not_reached(
    situation: Situation,
    network: ExistingNetworkSpec,
    table: dict[str, Any] | None,
    subnet: ExistingSubnetSpec,
) -> list[str]:
    """Return the services that a subnet without a default route does not reach."""
    marker = f".{situation.spec.region}."
    reached = set(network.interface_endpoints)
    for row in situation.ask(of_vpc("describe_vpc_endpoints", network))["VpcEndpoints"]:
        service = row["ServiceName"].partition(marker)[2]
        gateway = row.get("VpcEndpointType") == "Gateway"
        if not gateway or (table and table["RouteTableId"] in row.get("RouteTableIds", ())):
            reached.add(service)
    if subnet.route_table_id is not None:  # the environment adds the gateway endpoint of S3
        reached.add("s3")
    return [name for name in ("s3", *INTERFACE_ENDPOINTS) if name not in reached]


@check("vpc-endpoints", "Endpoints to add do not exist yet", existing("endpoints to add"))
def _endpoints(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    """Two endpoints of a service with private DNS cannot be in one VPC."""
    if not network.interface_endpoints:
        yield skipped("endpoints to add", "the environment adds none to an existing VPC")
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
    twice = [
        failed(
            f"endpoint of {name}",
            f"{there[name]} is there",
            "none",
            f'take "{name}" out of network.interface_endpoints',
            asked,
        )
        for name in network.interface_endpoints
        if name in there
    ]
    yield from twice or [passed("endpoints to add", "none of them exists yet", asked)]


TCP: Final = "6"
EVERY_PROTOCOL: Final = "-1"
EVERY_PORT: Final = range(65536)
HTTPS: Final = range(443, 444)
ANSWERS: Final = range(32768, 61000)
"""Ports that Linux takes for outgoing connections (ip_local_port_range; kernel's default)."""


@dataclass(frozen=True)
class Traffic:
    """Traffic that must cross the edge of a subnet."""

    words: str
    egress: bool
    protocol: str
    ports: range
    peer: str


@check("vpc-network-acls", "Network ACLs allow EFA, Lustre and HTTPS", existing("network ACLs"))
def _acls(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked, good = of_vpc("describe_network_acls", network), True
    acls = situation.ask(asked)["NetworkAcls"]
    tables = situation.ask(of_vpc("describe_route_tables", network))["RouteTables"]
    for subnet in network.training_subnets:
        acl = _acl_of(acls, subnet.subnet_id)
        if acl is None:
            continue
        table = route_table(tables, subnet.subnet_id) or {}
        targets = [route.get("DestinationCidrBlock") for route in table.get("Routes", ())]
        outside = EVERYWHERE in targets
        peers = [s.cidr for s in network.training_subnets if s != subnet]
        for traffic in needed(EVERYWHERE if outside else network.cidr, peers):
            verdict = admits(acl["Entries"], traffic)
            subject = f"{traffic.words} of {subnet.subnet_id}"
            good &= verdict is True
            if verdict is None:
                why = f"{acl['NetworkAclId']} allows a part of it; read its rules"
                yield skipped(subject, why, question=asked)
            elif not verdict:
                yield failed(
                    subject,
                    f"{acl['NetworkAclId']} blocks it",
                    f"{'out to' if traffic.egress else 'in from'} {traffic.peer}",
                    "add a rule that allows it before the one that denies, or use the VPC's "
                    "default ACL",
                    asked,
                )
    if good:
        yield passed("network ACLs", "allow what the environment needs", asked)


def needed(services: str, peers: Sequence[str]) -> Iterator[Traffic]:
    """Yield the traffic that a training subnet cannot do without."""
    yield Traffic("HTTPS to AWS", egress=True, protocol=TCP, ports=HTTPS, peer=services)
    yield Traffic("answers of AWS", egress=False, protocol=TCP, ports=ANSWERS, peer=services)
    for peer in peers:
        for egress in (True, False):
            words = f"fabric {'to' if egress else 'from'} {peer}"
            yield Traffic(words, egress, EVERY_PROTOCOL, EVERY_PORT, peer)


def admits(entries: Sequence[dict[str, Any]], traffic: Traffic) -> bool | None:
    """Return whether the rules admit all of some traffic; None where they admit a part of it.

    Rules are read by their numbers, and the first that speaks of a packet decides.
    """
    peer, left, partly = ipaddress.IPv4Network(traffic.peer), set(traffic.ports), False
    for entry in sorted(entries, key=lambda each: int(each["RuleNumber"])):
        if entry["Egress"] != traffic.egress or not entry.get("CidrBlock"):
            continue
        protocol = str(entry["Protocol"])
        whole_protocol = protocol in (EVERY_PROTOCOL, traffic.protocol)
        if not whole_protocol and traffic.protocol != EVERY_PROTOCOL:
            continue
        block = ipaddress.IPv4Network(entry["CidrBlock"], strict=False)
        spoken_of = left & set(_ports(entry))
        if not block.overlaps(peer) or not spoken_of:
            continue
        whole = peer.subnet_of(block) and whole_protocol
        if entry["RuleAction"] == "deny":
            return False if whole and not partly else None
        if not whole:
            partly = True
            continue
        left -= spoken_of
        if not left:
            return True
    return None if partly else False


def _ports(entry: dict[str, Any]) -> range:
    given = entry.get("PortRange")
    if not given or str(entry["Protocol"]) == EVERY_PROTOCOL:
        return EVERY_PORT
    return range(int(given["From"]), int(given["To"]) + 1)


def _acl_of(acls: Sequence[dict[str, Any]], subnet_id: str) -> dict[str, Any] | None:
    """Return the ACL of a subnet: the one that names it, or the VPC's default."""
    for acl in acls:
        if any(each.get("SubnetId") == subnet_id for each in acl.get("Associations", ())):
            return acl
    return next((acl for acl in acls if acl.get("IsDefault")), None)
