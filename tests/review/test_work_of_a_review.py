"""What a review costs: lines that Python runs, counted, as templates grow and as variants do."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from ultracluster.review.access import statements
from ultracluster.review.access.statements import explained
from ultracluster.rules.engine import judge
from ultracluster.templates.resolution import Template, resolve, resolved_group

NODES = {"InstanceType": "p5.48xlarge", "ImageId": "ami-0123456789abcdef0"}


def ref(name):
    return {"Ref": name}


def role(actions, resource, service="ec2.amazonaws.com"):
    """Return a role with one statement."""
    allowed = {"Effect": "Allow", "Action": actions, "Resource": resource}
    trusted = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Statement": [trusted]},
            "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [allowed]}}],
        },
    }


def nodes(number):
    """Return nodes in a reservation and a placement group of their own, all of one image."""
    target = {"CapacityReservationId": ref(f"Reservation{number}")}
    device = {"DeviceName": ["/dev/sda1", "/dev/xvda"][number % 2], "Ebs": {"Encrypted": True}}
    data = {
        **NODES,
        "Placement": {"GroupName": ref(f"Placement{number}")},
        "CapacityReservationSpecification": {"CapacityReservationTarget": target},
        "BlockDeviceMappings": [device],
    }
    reserved = {"InstanceType": "p5.48xlarge", "InstanceCount": 2}
    return {
        f"Placement{number}": {"Type": "AWS::EC2::PlacementGroup"},
        f"Reservation{number}": {"Type": "AWS::EC2::CapacityReservation", "Properties": reserved},
        f"Files{number}": {"Type": "AWS::FSx::FileSystem", "Properties": {}},
        f"Nodes{number}": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": data},
        },
    }


def networks(number):
    """Return a VPC with a subnet, its routes, an endpoint and an instance."""
    vpc, subnet, table = f"Vpc{number}", f"Subnet{number}", f"Table{number}"
    return {
        name: {"Type": f"AWS::EC2::{kind}", "Properties": properties}
        for name, kind, properties in (
            (vpc, "VPC", {"CidrBlock": "10.0.0.0/16"}),
            (subnet, "Subnet", {"VpcId": ref(vpc), "CidrBlock": "10.0.0.0/24"}),
            (table, "RouteTable", {"VpcId": ref(vpc)}),
            (
                f"In{number}",
                "SubnetRouteTableAssociation",
                {"SubnetId": ref(subnet), "RouteTableId": ref(table)},
            ),
            (f"Node{number}", "Instance", {**NODES, "SubnetId": ref(subnet)}),
        )
    }


def passing(number):
    """Return a role that passes the one before and may pass any, and a function that runs as it."""
    passed = {"Fn::GetAtt": [f"Role{number - 1}", "Arn"]} if number % 2 else "*"
    return {
        f"Role{number}": role(["iam:PassRole", "ec2:RunInstances", "sts:AssumeRole"], passed),
        f"Runs{number}": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Role": {"Fn::GetAtt": [f"Role{number}", "Arn"]}},
        },
    }


def lines(make, count):
    """Return how many lines are run to judge a template and to say who may do what."""
    made = (make(number) for number in range(count))
    body = {"Resources": {name: each for unit in made for name, each in unit.items()}}
    group = resolved_group([Template("t", body)], {}, "us-east-1")
    run = 0

    def count_line(_frame: Any, event: str, _argument: Any) -> Callable[..., Any]:
        nonlocal run
        run += event == "line"
        return count_line

    before = sys.gettrace()
    sys.settrace(count_line)
    try:
        judge(group)
        explained(group.variants)
    finally:
        sys.settrace(before)
    return run


@pytest.mark.parametrize("make", [nodes, networks, passing])
def test_twice_the_resources_are_twice_the_work(make):
    """What is compared with everything else would be four times the work."""
    lines(make, 1)  # tables of the catalogue are read once
    few, more, most = (lines(make, count) for count in (24, 48, 96))

    assert (most - more) / (more - few) < 2.15


def test_a_statement_that_variants_share_is_explained_once(monkeypatch):
    asked = [{"Fn::Equals": [ref(name), "yes"]} for name in ("One", "Two")]
    body: dict[str, Any] = {
        "Parameters": {"One": {"Type": "String"}, "Two": {"Type": "String"}},
        "Conditions": dict(zip(("First", "Second"), asked, strict=True)),
        "Resources": {
            **{f"Role{number}": role("s3:GetObject", f"{number}") for number in range(5)},
            "Bucket": {"Type": "AWS::S3::Bucket", "Condition": "First"},
            "Reader": role("s3:GetObject", {"Fn::Sub": "arn:aws:s3:::${Bucket}/*"}),
            "Topic": {"Type": "AWS::SNS::Topic", "Condition": "Second"},
        },
    }
    body["Resources"]["Reader"]["Condition"] = "First"
    made: list[Any] = []
    explain = statements._statement

    def counted(*given: Any) -> Any:
        made.append(given[0].place)
        return explain(*given)

    monkeypatch.setattr(statements, "_statement", counted)

    variants = resolve([Template("t", body)], parameters={}, region=None)
    found, _ = explained(variants)

    assert len(variants) == 4
    # Each role says who takes it and what it may do.
    assert len(made) == len(found) == 2 * 6
