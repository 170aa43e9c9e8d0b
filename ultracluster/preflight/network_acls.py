"""Network ACLs of given subnets, which judge what crosses a subnet's edge, both ways.

Within one subnet they see nothing. What must cross: HTTPS to AWS's services and the answers, and
between several training subnets everything, as the fabric and Lustre use many protocols.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.preflight.finding import Finding, Situation, failed, or_passed, passed, skipped
from ultracluster.preflight.given_network import EVERYWHERE, network_check, of_vpc, route_table
from ultracluster.preflight.question import Question
from ultracluster.spec.network import ExistingNetworkSpec

TCP: Final = "6"
EVERY_PROTOCOL: Final = "-1"
EVERY_PORT: Final = (0, 65535)
HTTPS: Final = (443, 443)
ANSWERS: Final = (32768, 60999)
"""Ports that Linux takes for outgoing connections (ip_local_port_range; kernel's default)."""


@dataclass(frozen=True)
class Traffic:
    """What must cross the edge of a subnet."""

    words: str
    egress: bool
    protocol: str
    ports: tuple[int, int]
    peer: str


def _acls(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    good = passed("network ACLs", "admit what the environment needs", _question(network))
    yield from or_passed(_blocking(situation, network), good)


def _question(network: ExistingNetworkSpec) -> Question:
    return of_vpc("describe_network_acls", network)


def _blocking(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked = _question(network)
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
    peer = ipaddress.ip_network(traffic.peer)
    left = [traffic.ports]
    partly = False
    for entry in sorted(entries, key=lambda each: int(each["RuleNumber"])):
        if entry["Egress"] != traffic.egress or not entry.get("CidrBlock"):
            continue
        protocol = str(entry["Protocol"])
        block = ipaddress.ip_network(entry["CidrBlock"], strict=False)
        if protocol not in (EVERY_PROTOCOL, traffic.protocol) and (
            traffic.protocol != EVERY_PROTOCOL
        ):
            continue
        first, last = _ports(entry)
        if not block.overlaps(peer) or not any(a <= last and first <= b for a, b in left):
            continue
        covers = (
            peer.subnet_of(block)  # type: ignore[arg-type] # both are IPv4
            and protocol in (EVERY_PROTOCOL, traffic.protocol)
        )
        if entry["RuleAction"] == "deny":
            if covers:
                return None if partly else False
            return None
        if not covers:
            partly = True
            continue
        left = [rest for span in left for rest in _without(span, (first, last))]
        if not left:
            return True
    return None if partly else False


def _ports(entry: dict[str, Any]) -> tuple[int, int]:
    given = entry.get("PortRange")
    if not given or str(entry["Protocol"]) == EVERY_PROTOCOL:
        return EVERY_PORT
    return int(given["From"]), int(given["To"])


def _without(span: tuple[int, int], taken: tuple[int, int]) -> Iterator[tuple[int, int]]:
    if span[0] < taken[0]:
        yield span[0], min(span[1], taken[0] - 1)
    if span[1] > taken[1]:
        yield max(span[0], taken[1] + 1), span[1]


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
