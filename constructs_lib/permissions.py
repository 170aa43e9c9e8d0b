"""Statements and policies: what roles of an environment may do, written the same way everywhere."""

from collections.abc import Iterable, Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, IConstruct

from constructs_lib.acknowledgement import acknowledge_wildcards

EVERY_OBJECT = (
    "Data sets and checkpoints are objects whose names are chosen by jobs; the statement ends at "
    "this environment's own bucket."
)
ANY_JOB = (
    "A job's name is chosen when it is started; network, groups, role and instance types of what "
    "may be started are fixed by conditions."
)
"""Why the statements name every job, or every job of an environment."""


def allow(
    sid: str | None,
    *actions: str,
    on: str | Sequence[str] = "*",
    where: Mapping[str, object] | None = None,
) -> iam.PolicyStatement:
    """Return a statement that allows actions.

    Args:
        sid: its name.
        actions: what is allowed.
        on: the resource or resources; `*` for actions of which IAM knows none.
        where: the conditions.
    """
    return iam.PolicyStatement(
        sid=sid,
        actions=list(actions),
        resources=[on] if isinstance(on, str) else list(on),
        conditions=where,
    )


def add_policy(
    scope: Construct,
    construct_id: str,
    role: iam.IRole,
    statements: Sequence[iam.PolicyStatement],
    wildcards: Mapping[str, str] | None = None,
    *,
    description: str,
) -> iam.ManagedPolicy:
    """Define a managed policy of a role; NIST 800-53 refuses inline ones.

    Args:
        scope: the parent construct.
        construct_id: the id in that scope.
        role: who has the policy.
        statements: what it allows.
        wildcards: why a resource has a wildcard, by resource.
        description: what the policy is for.
    """
    policy = iam.ManagedPolicy(
        scope,
        construct_id,
        description=description,
        roles=[role],
        document=iam.PolicyDocument(minimize=True, statements=statements),
    )
    if wildcards:
        acknowledge_wildcards(policy, wildcards)
    return policy


def service_of_the_account(stack: cdk.Stack, service: str, source_arn: str) -> iam.ServicePrincipal:
    """Return a service that acts for resources of this account only (confused deputy)."""
    return iam.ServicePrincipal(
        service,
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": source_arn},
        },
    )


def grant(grantee: iam.IGrantable, statements: Iterable[iam.PolicyStatement]) -> iam.Grant:
    """Add statements to the policy of a role, also of another stack, and return them as one grant.

    Args:
        grantee: the role, or whatever has one.
        statements: at least one; actions, resources and conditions of each are taken.
    """
    first, *others = (
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=statement.actions,
            resource_arns=statement.resources,
            conditions=statement.conditions or None,
        )
        for statement in statements
    )
    for other in others:
        first = first.combine(other)
    return first


def data_statements(bucket: s3.IBucket, key: kms.IKey) -> list[iam.PolicyStatement]:
    """Return statements that read and write a bucket and use its key.

    They are written out: the bucket's own grants add `s3:GetObject*` and its like, which reach
    ACLs, retention and legal hold as well.
    """
    read_and_write = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
    use = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
    return [
        allow("ListData", "s3:GetBucketLocation", "s3:ListBucket", on=bucket.bucket_arn),
        allow("ReadAndWriteData", *read_and_write, on=bucket.arn_for_objects("*")),
        allow("UseDataKey", *use, on=key.key_arn),
    ]


def job_arn(construct: IConstruct, environment: str | None = None) -> str:
    """Return the ARN of every training job of the construct's account and Region.

    Args:
        construct: whatever names it.
        environment: by whose name the names of jobs begin; None for every job.
    """
    name = "*" if environment is None else f"{environment}-*"
    stack = cdk.Stack.of(construct)
    return stack.format_arn(service="sagemaker", resource="training-job", resource_name=name)


def job_statements(
    construct: IConstruct,
    *,
    execution_role: iam.IRole,
    subnets: Sequence[ec2.ISubnet],
    security_groups: Sequence[ec2.ISecurityGroup],
    environment: str | None = None,
    instance_types: Sequence[str] | None = None,
) -> list[iam.PolicyStatement]:
    """Return statements that start, follow and stop jobs in these networks with this role.

    Args:
        construct: whatever has the policy.
        execution_role: the only role that is passed.
        subnets: the only subnets that a job may be started in.
        security_groups: the only groups that a job may be given.
        environment: by whose name the names of jobs begin that are started and followed; None for
            every job.
        instance_types: the only types that a job may ask for, `ml.p4d.24xlarge`; None for all. IAM
            knows no condition for their number (service authorization reference of SageMaker, read
            2026-11-27).
    """
    jobs = job_arn(construct, environment)
    lists: dict[str, list[str]] = {
        "sagemaker:VpcSubnets": [s.subnet_id for s in subnets],
        "sagemaker:VpcSecurityGroupIds": [g.security_group_id for g in security_groups],
    }
    if instance_types is not None:
        lists["sagemaker:InstanceTypes"] = list(instance_types)
    # A list that is absent satisfies ForAllValues, so absence is refused by itself.
    in_network = {"ForAllValues:StringEquals": lists, "Null": dict.fromkeys(lists, "false")}
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    # Step Functions lists the tags of a job that it waits for, as CDK's own task lets it.
    verbs = ("AddTags", "DescribeTrainingJob", "ListTags", "StopTrainingJob")
    follow = [f"sagemaker:{verb}" for verb in verbs]
    return [
        allow("StartJobs", "sagemaker:CreateTrainingJob", on=jobs, where=in_network),
        allow("FollowJobs", *follow, on=jobs),
        allow("PassExecutionRole", "iam:PassRole", on=execution_role.role_arn, where=to_sagemaker),
    ]
