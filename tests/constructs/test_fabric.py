"""The security groups of nodes."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Match, Template

from constructs_lib.security_group import FabricSecurityGroup, NodeSecurityGroup
from tests.constructs.bare import bare_stack, only, resources

NOWHERE = {
    "CidrIp": "255.255.255.255/32",
    "Description": "Disallow all traffic",
    "FromPort": 252,
    "IpProtocol": "icmp",
    "ToPort": 86,
}


@pytest.fixture(scope="session")
def fabric() -> cdk.Stack:
    stack = bare_stack()
    FabricSecurityGroup(stack, "Fabric", vpc=ec2.Vpc(stack, "Vpc"))
    return stack


@pytest.mark.parametrize(
    ("direction", "peer"),
    [("Ingress", "SourceSecurityGroupId"), ("Egress", "DestinationSecurityGroupId")],
)
def test_fabric_names_itself_in_both_directions(fabric: cdk.Stack, direction: str, peer: str):
    """EFA works only if the group admits itself both in and out, for every protocol."""
    itself = Match.object_like({"Fn::GetAtt": [Match.string_like_regexp("^Fabric"), "GroupId"]})

    Template.from_stack(fabric).has_resource_properties(
        f"AWS::EC2::SecurityGroup{direction}",
        {"GroupId": itself, peer: itself, "IpProtocol": "-1"},
    )


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_fabric_has_no_second_rule(fabric: cdk.Stack, direction: str):
    """Whoever else is admitted would be admitted with all protocols in mind."""
    rule = only(fabric, f"AWS::EC2::SecurityGroup{direction}")["Properties"]

    assert not {"CidrIp", "CidrIpv6", "SourcePrefixListId", "DestinationPrefixListId"} & set(rule)


def test_fabric_reaches_nobody_else(fabric: cdk.Stack):
    """Without an egress rule within the group EC2 adds its default, everything to everywhere."""
    group = only(fabric, "AWS::EC2::SecurityGroup")["Properties"]

    assert group["SecurityGroupEgress"] == [NOWHERE]
    assert "SecurityGroupIngress" not in group


def test_nodes_reach_https_and_admit_nobody():
    """Ordinary traffic is kept out of the fabric group, and starts at the node."""
    stack = bare_stack()
    NodeSecurityGroup(stack, "Nodes", vpc=ec2.Vpc(stack, "Vpc"))

    group = only(stack, "AWS::EC2::SecurityGroup")["Properties"]
    ports = [(r["IpProtocol"], r["FromPort"], r["ToPort"]) for r in group["SecurityGroupEgress"]]
    assert ports == [("tcp", 443, 443)]
    assert "SecurityGroupIngress" not in group
    assert resources(stack, "AWS::EC2::SecurityGroupIngress") == {}
