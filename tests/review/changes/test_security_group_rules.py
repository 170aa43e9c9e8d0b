"""A rule that is written otherwise and lets the same pass is no danger."""

import pytest

from tests.review.goldens import changes
from ultracluster.review.changes.change import Danger


def group(**rule):
    """Return templates of a group with one ingress rule."""
    body = {"GroupDescription": "g", "SecurityGroupIngress": [{"CidrIp": "10.0.0.0/8", **rule}]}
    return {"S": {"Resources": {"G": {"Type": "AWS::EC2::SecurityGroup", "Properties": body}}}}


@pytest.mark.parametrize(
    ("number", "name", "ports"),
    [
        ("6", "tcp", {"FromPort": 22, "ToPort": 22}),
        ("17", "udp", {"FromPort": 53, "ToPort": 53}),
        ("1", "icmp", {"FromPort": 8, "ToPort": -1}),
        ("58", "icmpv6", {"FromPort": -1, "ToPort": -1}),
    ],
)
def test_a_protocol_is_the_same_by_number_and_by_name(number, name, ports):
    """A rule rewritten from "58" to "icmpv6" was said to interrupt."""
    for before, after in [(number, name), (name, number)]:
        (change,) = changes(group(IpProtocol=before, **ports), group(IpProtocol=after, **ports))
        assert change.worst is Danger.HARMLESS, change.what


@pytest.mark.parametrize(
    ("before", "after", "danger"),
    [
        ((8, -1), (8, 0), Danger.INTERRUPTS),
        ((8, 0), (8, -1), Danger.LOOSENS_SECURITY),
        ((-1, -1), (3, 4), Danger.INTERRUPTS),
        ((8, 0), (-1, -1), Danger.LOOSENS_SECURITY),
    ],
)
def test_types_and_codes_of_icmp_are_compared_as_such(before, after, danger):
    """The two ports of an ICMP rule are a type and a code, and no range from one to the other."""

    def ping(kind, code):
        return group(IpProtocol="icmp", FromPort=kind, ToPort=code)

    found = changes(ping(*before), ping(*after))
    assert {danger} == {each for change in found for each in change.dangers}
