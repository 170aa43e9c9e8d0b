"""A network of its own, closed or with NAT, and one that is there already."""

from typing import Any, get_args

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match, Template

from constructs_lib.training_network import ExistingTrainingNetwork, TrainingNetwork
from tests.constructs.bare import bare_stack, only, resources, text
from ultracluster.problem import SpecError
from ultracluster.spec.network import (
    INTERFACE_ENDPOINTS,
    ExistingNetworkSpec,
    ExistingSubnetSpec,
    NetworkSpec,
)

DAYS = get_args(NetworkSpec.model_fields["flow_log_retention_days"].annotation)
TWO_SUBNETS = ("10.0.0.0/20", "10.0.16.0/20")


def network(*, keep: bool = False, **changes: Any) -> cdk.Stack:
    stack = bare_stack()
    TrainingNetwork(
        stack,
        "Network",
        spec=NetworkSpec(**{"training_subnet_cidrs": TWO_SUBNETS} | changes),
        availability_zone_id="use1-az6",
        keep=keep,
    )
    return stack


@pytest.fixture(scope="session")
def routed() -> cdk.Stack:
    return network()


@pytest.fixture(scope="session")
def closed() -> cdk.Stack:
    return network(public_subnet_cidr=None)


def targets(stack: cdk.Stack) -> dict[str, str]:
    """Return where each route leads, by the CIDR block of the subnet that has it."""
    tables = {
        a["Properties"]["RouteTableId"]["Fn::GetAtt"][0]: a["Properties"]["SubnetId"]["Fn::GetAtt"][
            0
        ]
        for a in resources(stack, "AWS::EC2::SubnetRouteTableAssociation").values()
    }
    blocks = {
        name: subnet["Properties"]["CidrBlock"]
        for name, subnet in resources(stack, "AWS::EC2::Subnet").items()
    }
    return {
        blocks[tables[r["Properties"]["RouteTableId"]["Fn::GetAtt"][0]]]: next(
            key for key in ("NatGatewayId", "GatewayId") if key in r["Properties"]
        )
        for r in resources(stack, "AWS::EC2::Route").values()
    }


def test_every_subnet_is_in_the_zone_by_its_id(routed: cdk.Stack):
    """A zone's name means another zone in the next account."""
    subnets = [s["Properties"] for s in resources(routed, "AWS::EC2::Subnet").values()]

    assert {s["CidrBlock"] for s in subnets} == {*TWO_SUBNETS, "10.0.240.0/28"}
    assert {s["AvailabilityZoneId"] for s in subnets} == {"use1-az6"}
    assert not any("AvailabilityZone" in s for s in subnets)


def test_a_zone_of_another_region_is_refused():
    """The VPC would be made, and each of its subnets refused."""
    with pytest.raises(SpecError, match=r"usw2-az1.*us-east-1 has no such zone id; write use1-az"):
        TrainingNetwork(
            bare_stack("us-east-1"), "It", spec=NetworkSpec(), availability_zone_id="usw2-az1"
        )


def test_no_subnet_gives_public_addresses(routed: cdk.Stack):
    """A node with several interfaces cannot be launched where addresses are assigned."""
    given = [
        s["Properties"]["MapPublicIpOnLaunch"]
        for s in resources(routed, "AWS::EC2::Subnet").values()
    ]
    assert given == [False] * 3


def test_training_subnets_leave_by_nat_only(routed: cdk.Stack):
    """A route to the internet gateway would be of no use to nodes without public addresses."""
    assert targets(routed) == {
        "10.0.0.0/20": "NatGatewayId",
        "10.0.16.0/20": "NatGatewayId",
        "10.0.240.0/28": "GatewayId",
    }


def test_nat_waits_for_the_way_out(routed: cdk.Stack):
    """EC2 refuses an address before the gateway is attached, and deletion fails after it."""
    (attachment,) = resources(routed, "AWS::EC2::VPCGatewayAttachment")
    outward = [
        name
        for name, route in resources(routed, "AWS::EC2::Route").items()
        if "GatewayId" in route["Properties"]
    ]

    assert only(routed, "AWS::EC2::NatGateway")["DependsOn"] == outward
    assert only(routed, "AWS::EC2::EIP")["DependsOn"] == [attachment]


def test_a_closed_network_has_no_way_out(closed: cdk.Stack):
    """Nothing may reach the internet, not even to ask for an update."""
    for kind in ("InternetGateway", "VPCGatewayAttachment", "NatGateway", "EIP", "Route"):
        assert resources(closed, f"AWS::EC2::{kind}") == {}


@pytest.mark.parametrize("which", ["routed", "closed"])
def test_services_are_reached_inside_the_network(which: str, request: pytest.FixtureRequest):
    """SageMaker, ECR and Systems Manager work without NAT, and S3 costs nothing."""
    stack = request.getfixturevalue(which)
    endpoints = [e["Properties"] for e in resources(stack, "AWS::EC2::VPCEndpoint").values()]
    interfaces = [e for e in endpoints if e["VpcEndpointType"] == "Interface"]
    (s3,) = [e for e in endpoints if e["VpcEndpointType"] == "Gateway"]

    names = [text(e["ServiceName"]) for e in interfaces]
    assert len(names) == len(INTERFACE_ENDPOINTS)
    for service in INTERFACE_ENDPOINTS:
        assert any(name.endswith(f'.{service}"]]}}') for name in names), service
    assert all(e["PrivateDnsEnabled"] for e in interfaces)
    assert len(s3["RouteTableIds"]) == len(TWO_SUBNETS)


@pytest.mark.parametrize("which", ["routed", "closed"])
def test_nobody_writes_to_s3_with_a_strangers_credentials(
    which: str, request: pytest.FixtureRequest
):
    """A closed network would else send its data to any bucket, with keys that a job brought."""
    stack = request.getfixturevalue(which)
    (gateway,) = [
        endpoint["Properties"]
        for endpoint in resources(stack, "AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"].get("VpcEndpointType") == "Gateway"
    ]
    allowed = {each["Action"]: each for each in gateway["PolicyDocument"]["Statement"]}

    assert set(allowed) == {"s3:GetObject", "s3:*"}
    assert list(allowed["s3:*"]["Condition"]["StringEquals"]) == ["aws:PrincipalAccount"]


def test_endpoints_admit_https_from_the_network_only(routed: cdk.Stack):
    """They answer whoever reaches them, with the role that the caller has."""
    group = only(routed, "AWS::EC2::SecurityGroup")["Properties"]

    (rule,) = group["SecurityGroupIngress"]
    assert (rule["CidrIp"], rule["FromPort"], rule["ToPort"]) == ("10.0.0.0/16", 443, 443)
    assert group["SecurityGroupEgress"][0]["CidrIp"] == "255.255.255.255/32"


def test_names_resolve_inside_the_network(routed: cdk.Stack):
    """Private DNS of endpoints and the file system's name need both settings."""
    Template.from_stack(routed).has_resource_properties(
        "AWS::EC2::VPC", {"EnableDnsHostnames": True, "EnableDnsSupport": True}
    )


def test_the_default_group_is_emptied(routed: cdk.Stack):
    """Whatever is launched without a group lands in it."""
    assert len(resources(routed, "Custom::VpcRestrictDefaultSG")) == 1


def test_flow_logs_are_written_by_a_role_of_their_own(routed: cdk.Stack):
    """The role is for this account's flow logs, and writes to one group."""
    (group,) = resources(routed, "AWS::Logs::LogGroup")
    (policy,) = resources(routed, "AWS::IAM::ManagedPolicy")

    flow_log = only(routed, "AWS::EC2::FlowLog")
    assert flow_log["Properties"]["LogGroupName"] == {"Ref": group}
    assert flow_log["DependsOn"] == [policy]
    (statement,) = resources(routed, "AWS::IAM::ManagedPolicy")[policy]["Properties"][
        "PolicyDocument"
    ]["Statement"]
    assert statement["Resource"] == {"Fn::GetAtt": [group, "Arn"]}
    Template.from_stack(routed).has_resource_properties(
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": {
                "Statement": [
                    {
                        "Action": "sts:AssumeRole",
                        "Effect": "Allow",
                        "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                        "Condition": {
                            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                            "ArnLike": {"aws:SourceArn": Match.any_value()},
                        },
                    }
                ],
                "Version": "2012-10-17",
            }
        },
    )


@pytest.mark.parametrize("days", DAYS)
def test_flow_logs_are_kept_as_long_as_the_spec_says(days: Any):
    """CloudWatch takes certain periods only; a number that it has not is refused by the spec."""
    stack = network(flow_log_retention_days=days, interface_endpoints=())

    assert only(stack, "AWS::Logs::LogGroup")["Properties"]["RetentionInDays"] == days


@pytest.mark.parametrize(("keep", "policy"), [(True, "RetainExceptOnCreate"), (False, "Delete")])
def test_what_a_kept_file_system_lives_in_is_kept(*, keep: bool, policy: str):
    """Its interfaces are in the training subnets; their deletion would fail for ever."""
    stack = network(keep=keep)

    subnets = resources(stack, "AWS::EC2::Subnet").values()
    assert only(stack, "AWS::EC2::VPC")["DeletionPolicy"] == policy
    assert {
        s["DeletionPolicy"] for s in subnets if s["Properties"]["CidrBlock"] in TWO_SUBNETS
    } == {policy}
    (public,) = (s for s in subnets if s["Properties"]["CidrBlock"] not in TWO_SUBNETS)
    assert public["DeletionPolicy"] == "Delete"


TABLE = "rtb-0123456789abcdef0"


def existing(*, tables: tuple[str | None, ...] = (), services: tuple[str, ...] = ()) -> cdk.Stack:
    stack = bare_stack()
    ExistingTrainingNetwork(
        stack,
        "Network",
        spec=ExistingNetworkSpec(
            vpc_id="vpc-0123456789abcdef0",
            cidr="10.0.0.0/16",
            training_subnets=tuple(
                ExistingSubnetSpec(
                    subnet_id=f"subnet-0123456789abcdef{index}",
                    cidr=f"10.0.{16 * index}.0/20",
                    availability_zone_id="use1-az6",
                    route_table_id=table,
                )
                for index, table in enumerate(tables or (None, None))
            ),
            interface_endpoints=services,
        ),
    )
    return stack


def test_an_existing_network_is_left_as_it_is():
    """It is somebody else's; nothing is added that was not asked for."""
    assert Template.from_stack(existing()).to_json().get("Resources", {}) == {}


def test_s3_is_added_to_the_tables_that_are_named():
    """Subnets often share one table, which EC2 takes once only."""
    endpoint = only(existing(tables=(TABLE, TABLE)), "AWS::EC2::VPCEndpoint")["Properties"]

    assert endpoint["RouteTableIds"] == [TABLE]
    assert endpoint["VpcId"] == "vpc-0123456789abcdef0"


def test_endpoints_are_added_where_they_are_named():
    """A closed VPC of a company may lack a few of what SageMaker needs."""
    stack = existing(services=("sts", "ecr.dkr"))

    endpoints = [e["Properties"] for e in resources(stack, "AWS::EC2::VPCEndpoint").values()]
    assert len(endpoints) == 2
    assert {tuple(e["SubnetIds"]) for e in endpoints} == {("subnet-0123456789abcdef0",)}


def test_no_endpoint_needs_no_group():
    """A group that nothing uses is a finding in every audit."""
    stack = bare_stack()
    TrainingNetwork(
        stack,
        "Network",
        spec=NetworkSpec(interface_endpoints=()),
        availability_zone_id="use1-az6",
    )

    assert resources(stack, "AWS::EC2::SecurityGroup") == {}
