"""A stack as somebody else has it: no feature flags, no Region, nothing of this project's app."""

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

ZONES = {
    "us-east-1": "use1-az6",
    "us-gov-west-1": "usgw1-az1",
    "cn-northwest-1": "cnnw1-az1",
}


def bare_stack(region: str | None = None) -> cdk.Stack:
    """Return an empty stack, of any Region unless one is named."""
    return cdk.Stack(env=cdk.Environment(region=region)) if region else cdk.Stack()


def resources(stack: cdk.Stack, kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a type in the stack's template, by logical id."""
    found = Template.from_stack(stack).find_resources(kind)
    return {name: dict(resource) for name, resource in found.items()}


def only(stack: cdk.Stack, kind: str) -> dict[str, Any]:
    """Return the one resource of a type."""
    found = list(resources(stack, kind).values())
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def statements(stack: cdk.Stack, kind: str = "AWS::IAM::ManagedPolicy") -> dict[str, Any]:
    """Return the statements of the one policy of a type, by their Sid."""
    document = only(stack, kind)["Properties"]["PolicyDocument"]
    return {statement["Sid"]: statement for statement in document["Statement"]}


def listed(value: Any) -> list[Any]:
    """Return what a policy has as one value or as a list of them."""
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """Return a part of a template as text, to look for words in it."""
    return json.dumps(value)


class Surroundings:
    """What a construct is given by the stack that it is put into: all of it imported."""

    def __init__(self, stack: cdk.Stack) -> None:
        self.vpc = ec2.Vpc.from_vpc_attributes(
            stack, "Vpc", vpc_id="vpc-0123456789abcdef0", availability_zones=["us-east-1a"]
        )
        self.subnets = [
            ec2.Subnet.from_subnet_id(stack, f"Subnet{letter}", f"subnet-{letter * 8}")
            for letter in "ab"
        ]
        self.groups = [
            ec2.SecurityGroup.from_security_group_id(stack, f"Group{letter}", f"sg-{letter * 8}")
            for letter in "ab"
        ]
        self.bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "somebodys-data")
        arn = stack.format_arn(
            service="kms", account="123456789012", resource="key", resource_name="somebodys"
        )
        self.key = kms.Key.from_key_arn(stack, "Key", arn)
        self.role = iam.Role.from_role_arn(
            stack,
            "Role",
            stack.format_arn(
                service="iam", region="", account="123456789012", resource="role/Somebodys"
            ).rstrip("/"),
        )
