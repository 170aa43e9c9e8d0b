"""The first rule that speaks of a packet decides, and a part is not the whole."""

from typing import Any

import pytest

from tests.preflight.account import rule
from ultracluster.preflight.vpc import ANSWERS, EVERY_PORT, HTTPS, Traffic, admits, needed

OUT = Traffic("HTTPS", egress=True, protocol="6", ports=HTTPS, peer="0.0.0.0/0")
BACK = Traffic("answers", egress=False, protocol="6", ports=ANSWERS, peer="0.0.0.0/0")
FABRIC = Traffic("fabric", egress=True, protocol="-1", ports=EVERY_PORT, peer="10.0.1.0/24")


def tcp(first: int, last: int, **changes: Any) -> dict[str, Any]:
    """Return what makes a rule one of TCP ports."""
    return {"Protocol": "6", "PortRange": {"From": first, "To": last}, **changes}


@pytest.mark.parametrize(
    ("rules", "traffic", "verdict"),
    [
        ([rule(100, "allow")], OUT, True),
        ([], OUT, False),
        ([rule(100, "allow", **tcp(443, 443))], OUT, True),
        ([rule(100, "allow", **tcp(80, 80))], OUT, False),
        ([rule(100, "allow", Protocol="17")], OUT, False),
        ([rule(100, "allow", **tcp(1024, 65535))], BACK, True),
        # Two rules side by side admit what neither does alone.
        ([rule(1, "allow", **tcp(1024, 39999)), rule(2, "allow", **tcp(40000, 65535))], BACK, True),
        ([rule(1, "allow", **tcp(1024, 39999))], BACK, False),
        # The number decides, not the order of the answer.
        ([rule(200, "allow"), rule(100, "deny", **tcp(443, 443))], OUT, False),
        ([rule(100, "allow"), rule(200, "deny", **tcp(443, 443))], OUT, True),
        # It speaks of other ports.
        ([rule(90, "deny", **tcp(80, 80)), rule(100, "allow")], OUT, True),
        # A part of the addresses: nobody but a reader can tell whether it is the one that counts.
        ([rule(100, "allow", CidrBlock="10.0.0.0/8")], OUT, None),
        ([rule(90, "deny", CidrBlock="192.0.2.0/24"), rule(100, "allow")], OUT, None),
        ([rule(100, "allow", CidrBlock="10.0.0.0/8")], FABRIC, True),
        ([rule(100, "allow", CidrBlock="10.0.2.0/24")], FABRIC, False),
        # The fabric is no TCP: ports of it are a part.
        ([rule(100, "allow", **tcp(0, 65535))], FABRIC, None),
        # Rules of IPv6 say nothing of IPv4.
        ([rule(90, "deny", CidrBlock=None, Ipv6CidrBlock="::/0"), rule(100, "allow")], OUT, True),
    ],
)
def test_rules_are_read_as_the_vpc_reads_them(
    *, rules: list[list[dict[str, Any]]], traffic: Traffic, verdict: bool | None
):
    """The last rule, of AWS, denies everything."""
    entries = [entry for pair in (*rules, rule(32767, "deny")) for entry in pair]

    assert admits(entries, traffic) is verdict


def test_a_subnet_cannot_do_without_aws_and_its_fabric():
    """Both ways, with the services and with each other subnet."""
    found = [(each.words, each.egress, each.peer) for each in needed("0.0.0.0/0", ["10.0.1.0/24"])]

    assert found == [
        ("HTTPS to AWS", True, "0.0.0.0/0"),
        ("answers of AWS", False, "0.0.0.0/0"),
        ("fabric to 10.0.1.0/24", True, "10.0.1.0/24"),
        ("fabric from 10.0.1.0/24", False, "10.0.1.0/24"),
    ]
