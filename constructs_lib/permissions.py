"""IAM statements and policies for the roles of an environment."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict, Unpack

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, IConstruct

from constructs_lib.acknowledgement import acknowledge, acknowledge_wildcards

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
    by: iam.IPrincipal | None = None,
) -> iam.PolicyStatement:
    """Return a statement that allows actions.

    Args:
        sid: the statement's id.
        actions: the allowed actions.
        on: the ARN or ARNs; `*` for actions without resource types in IAM.
        where: the conditions.
        by: the principals, in a resource policy.
    """
    return iam.PolicyStatement(
        sid=sid,
        principals=None if by is None else [by],
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
    """Define a managed policy of a role, as NIST 800-53 R5 forbids inline policies.

    Args:
        scope: the parent construct.
        construct_id: the id in that scope.
        role: who has the policy.
        statements: what it allows.
        wildcards: the reason of each wildcard in a resource, by resource.
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


def role_by_aws(
    scope: Construct, name: str, policies: Sequence[str], why: str, **given: Any
) -> iam.Role:
    """Define a role that has policies which AWS maintains.

    Args:
        scope: the parent construct.
        name: the id in that scope.
        policies: names of these policies.
        why: why it has them, and no copy of what they say today.
        **given: of `iam.Role`.
    """
    managed = [iam.ManagedPolicy.from_aws_managed_policy_name(policy) for policy in policies]
    role = iam.Role(scope, name, managed_policies=managed, **given)
    arns = [f"arn:<AWS::Partition>:iam::aws:policy/{policy}" for policy in policies]
    acknowledge(role, {f"AwsSolutions::AwsSolutions-IAM4[Policy::{a}]": why for a in arns})
    return role


def service_of_the_account(stack: cdk.Stack, service: str, source_arn: str) -> iam.ServicePrincipal:
    """Return a service principal, limited to resources of this account (confused deputy)."""
    return iam.ServicePrincipal(
        service,
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": source_arn},
        },
    )


def grant(grantee: iam.IGrantable, statements: Iterable[iam.PolicyStatement]) -> iam.Grant:
    """Add statements to the policy of a role, also in another stack, and return one grant.

    Args:
        grantee: the role, or whatever has one.
        statements: at least one; actions, resources and conditions of each are taken.

    Raises:
        ValueError: where CDK would add nothing and say nothing, as for an account or a service.
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
    if not first.success:
        raise ValueError(
            f"grantee: got {type(grantee).__name__}, which has no policy that could say so; pass a "
            "role, or what has one"
        )
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


def arn(construct: IConstruct, service: str, resource: str, **given: str) -> str:
    """Return an ARN of the construct's own partition, Region and account, or of those given."""
    return cdk.Stack.of(construct).format_arn(
        service=service, resource=resource, arn_format=cdk.ArnFormat.NO_RESOURCE_NAME, **given
    )


def job_arn(construct: IConstruct, environment: str | None = None) -> str:
    """Return the ARN of every training job of the construct's account and Region.

    Args:
        construct: whatever names it.
        environment: by whose name the names of jobs begin; None for every job.
    """
    name = "*" if environment is None else f"{environment}-*"
    return arn(construct, "sagemaker", f"training-job/{name}")


class JobLimits(TypedDict):
    """Limits of the jobs that a role may start; keyword arguments of constructs and grants."""

    execution_role: iam.IRole
    """The execution role of jobs; no other may be passed."""
    subnets: Sequence[ec2.ISubnet]
    """The only subnets that a job may be started in."""
    security_groups: Sequence[ec2.ISecurityGroup]
    """The only groups that a job may be given."""
    environment: NotRequired[str | None]
    """The environment's name, with which job names must begin; None for every job."""
    instance_types: NotRequired[Sequence[str] | None]
    """The only types that a job may ask for, `ml.p4d.24xlarge`; None for all. IAM knows no
    condition for their number (service authorization reference of SageMaker, read 2026-11-27)."""


def job_statements(construct: IConstruct, **limits: Unpack[JobLimits]) -> list[iam.PolicyStatement]:
    """Return statements that start, follow and stop jobs within limits.

    Args:
        construct: whatever has the policy.
        **limits: see `JobLimits`.
    """
    jobs = job_arn(construct, limits.get("environment"))
    lists: dict[str, list[str]] = {
        "sagemaker:VpcSubnets": [s.subnet_id for s in limits["subnets"]],
        "sagemaker:VpcSecurityGroupIds": [g.security_group_id for g in limits["security_groups"]],
    }
    if (types := limits.get("instance_types")) is not None:
        lists["sagemaker:InstanceTypes"] = list(types)
    # ForAllValues is true for a missing list, so that a missing list is refused separately.
    in_network = {"ForAllValues:StringEquals": lists, "Null": dict.fromkeys(lists, "false")}
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    # Step Functions lists the tags of a job that it waits for, as CDK's own task lets it.
    role = limits["execution_role"].role_arn
    verbs = ("AddTags", "DescribeTrainingJob", "ListTags", "StopTrainingJob")
    follow = [f"sagemaker:{verb}" for verb in verbs]
    return [
        allow("StartJobs", "sagemaker:CreateTrainingJob", on=jobs, where=in_network),
        allow("FollowJobs", *follow, on=jobs),
        allow("PassExecutionRole", "iam:PassRole", on=role, where=to_sagemaker),
    ]
