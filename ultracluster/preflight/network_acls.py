"""Network ACLs of given subnets, which judge what crosses a subnet's edge, both ways.

Within one subnet they see nothing. What must cross: HTTPS to AWS's services and the answers, and
between several training subnets everything, as the fabric and Lustre use many protocols.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.preflight.finding import Finding, Situation, failed, or_passed, passed, skipped
from ultracluster.preflight.inquiry import Question
from ultracluster.preflight.subnets import EVERYWHERE, network_check, of_vpc, route_table
from ultracluster.spec.network import ExistingNetworkSpec

TCP: Final = "6"
EVERY_PROTOCOL: Final = "-1"
EVERY_PORT: Final = range(65536)
HTTPS: Final = range(443, 444)
ANSWERS: Final = range(32768, 61000)
"""Ports that Linux takes for outgoing connections (ip_local_port_range; kernel's default)."""


@dataclass(frozen=True)
class Traffic:
    """What must cross the edge of a subnet."""

    words: str
    egress: bool
    protocol: str
    ports: range
    peer: str


def _acls(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked = of_vpc("describe_network_acls", network)
    good = passed("network ACLs", "admit what the environment needs", asked)
    yield from or_passed(_blocking(situation, network, asked), good)


def _blocking(
    situation: Situation, network: ExistingNetworkSpec, asked: Question
) -> Iterator[Finding]:
    acls = situation.ask(asked)["NetworkAcls"]
    tables = situation.ask(of_vpc("describe_route_tables", network))["RouteTables"]
    for subnet in network.training_subnets:
        acl = _acl_of(acls, subnet.subnet_id)
        if acl is None:
            continue
        table = route_table(tables, subnet.subnet_id) or {}
        outside = any(
            route.get("DestinationCidrBlock") == EVERYWHERE for route in table.get("Routes", ())
        )
        peers = [s.cidr for s in network.training_subnets if s != subnet]
        for traffic in needed(EVERYWHERE if outside else network.cidr, peers):
            verdict = admits(acl["Entries"], traffic)
            subject = f"{traffic.words} of {subnet.subnet_id}"
            if verdict is None:
                why = f"{acl['NetworkAclId']} admits it in part; read its rules"
                yield skipped(subject, why, question=asked)
            elif not verdict:
                yield failed(
                    subject,
                    f"{acl['NetworkAclId']} blocks it",
                    f"{'out to' if traffic.egress else 'in from'} {traffic.peer}",
                    "add a rule that allows it before the one that denies, or use the VPC's "
                    "default ACL",
                    question=asked,
                )


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


CHECKS: Final = (
    network_check(
        "vpc-network-acls", "Network ACLs admit fabric, Lustre and HTTPS", "network ACLs", _acls
    ),
)
