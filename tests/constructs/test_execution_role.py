"""The role of SageMaker training jobs."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr

from constructs_lib.job_roles import ExecutionRole
from tests.constructs.bare import Surroundings, bare_stack, listed, only, statements, text

NO_RESOURCE = {"EnterRegistry", "DescribeFileSystems", "DescribeNetwork", "Metrics"}
"""Statements whose actions take no resource (Service Authorization Reference)."""


@pytest.fixture(scope="session")
def role() -> cdk.Stack:
    stack = bare_stack()
    around = Surroundings(stack)
    ExecutionRole(
        stack,
        "Role1",
        bucket=around.bucket,
        key=around.key,
        repository=ecr.Repository.from_repository_name(stack, "Images", "training"),
        vpc=around.vpc,
        subnets=around.subnets,
        security_groups=around.groups,
    )
    return stack


def granted(stack: cdk.Stack) -> dict[str, set[str]]:
    return {sid: set(listed(s["Action"])) for sid, s in statements(stack).items()}


def test_no_policy_of_aws_is_attached(role: cdk.Stack):
    """AmazonSageMakerFullAccess reads every bucket with `sagemaker` in its name."""
    assert "ManagedPolicyArns" not in only(role, "AWS::IAM::Role")["Properties"]
    assert "iam::aws:policy" not in text(only(role, "AWS::IAM::ManagedPolicy"))


def test_no_action_is_a_wildcard(role: cdk.Stack):
    """What a wildcard reaches grows with every release of AWS."""
    assert [a for actions in granted(role).values() for a in actions if "*" in a] == []


def test_every_statement_allows(role: cdk.Stack):
    """The checks of this file read what is allowed; a denial or an exclusion would fool them."""
    for statement in statements(role).values():
        assert statement["Effect"] == "Allow"
        assert not {"NotAction", "NotResource"} & set(statement)


def test_only_what_has_no_resource_is_allowed_everywhere(role: cdk.Stack):
    """Each statement on `*` is one that IAM knows no resource for."""
    everywhere = {sid for sid, s in statements(role).items() if "*" in listed(s["Resource"])}

    assert everywhere == NO_RESOURCE


def test_metrics_are_bound_to_the_namespace_of_sagemaker(role: cdk.Stack):
    """Without it a job could raise or silence anybody's alarm."""
    assert statements(role)["Metrics"]["Condition"] == {
        "StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}
    }


def test_sagemaker_may_assume_the_role_for_jobs_of_this_account_only(role: cdk.Stack):
    """Else somebody else's job could be handed this role: the confused deputy."""
    (statement,) = only(role, "AWS::IAM::Role")["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    conditions = statement["Condition"]

    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert conditions["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    source = conditions["ArnLike"]["aws:SourceArn"]["Fn::Join"][1]
    assert source[-1] == ":training-job/*"
    assert {"Ref": "AWS::AccountId"} in source


def test_interfaces_are_bound_to_the_network_of_the_environment(role: cdk.Stack):
    """A job cannot reach into another VPC of the account."""
    created = text(statements(role)["CreateInterfaces"]["Resource"])
    for name in ("subnet/subnet-aaaaaaaa", "subnet/subnet-bbbbbbbb", "security-group/sg-aaaaaaaa"):
        assert name in created
    assert created.count("subnet/") == 2

    used = statements(role)["UseInterfaces"]["Condition"]["ArnEquals"]["ec2:Vpc"]
    assert text(used).endswith(':vpc/vpc-0123456789abcdef0"]]}')


@pytest.mark.parametrize(
    ("purpose", "actions"),
    [
        ("ListData", {"s3:ListBucket", "s3:GetBucketLocation"}),
        ("ReadAndWriteData", {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}),
        ("UseDataKey", {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"}),
        ("DescribeFileSystems", {"fsx:DescribeFileSystems"}),
        ("EnterRegistry", {"ecr:GetAuthorizationToken"}),
    ],
)
def test_a_job_can_do_its_work(role: cdk.Stack, purpose: str, actions: set[str]):
    """SageMaker Developer Guide, execution roles, CreateTrainingJob (2026-11-23)."""
    assert granted(role)[purpose] == actions


@pytest.mark.parametrize(
    ("purpose", "ending"),
    [
        ("ListData", ":s3:::somebodys-data"),
        ("ReadAndWriteData", ":s3:::somebodys-data/*"),
        ("UseDataKey", ":123456789012:key/somebodys"),
        ("PullImages", ":repository/training"),
        ("Logs", ":log-group:/aws/sagemaker/*"),
    ],
)
def test_a_job_reaches_only_what_is_named(role: cdk.Stack, purpose: str, ending: str):
    """One bucket, one key, one repository, one prefix of log groups."""
    resource: Any = statements(role)[purpose]["Resource"]

    assert isinstance(resource, dict), "one resource"
    assert resource["Fn::Join"][1][-1].endswith(ending)


def test_the_policy_fits_with_the_most_that_sagemaker_takes():
    """IAM refuses a managed policy beyond 6,144 characters; a job has up to 16 subnets."""
    stack = bare_stack("us-gov-west-1")
    around = Surroundings(stack)
    ExecutionRole(
        stack,
        "Role1",
        bucket=around.bucket,
        key=around.key,
        repository=ecr.Repository.from_repository_name(stack, "Images", "training"),
        vpc=around.vpc,
        subnets=[around.subnets[0]] * 16,
        security_groups=[around.groups[0]] * 5,
    )

    document = only(stack, "AWS::IAM::ManagedPolicy")["Properties"]["PolicyDocument"]
    arn = "arn:aws-us-gov:ec2:us-gov-west-1:123456789012:security-group/subnet-0123456789abcdef0"
    assert len(text(document)) + 21 * len(arn) < 6144
