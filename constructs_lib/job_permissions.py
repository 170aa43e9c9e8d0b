"""What it takes to start training jobs of one environment, and no others."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import IConstruct

ANY_JOB = (
    "A job's name is chosen when it is started; network, groups and role of what "
    "may be started are fixed by conditions."
)
"""Why the statements name every job."""


def job_arn(construct: IConstruct) -> str:
    """Return the ARN of every training job of the construct's account and Region."""
    stack = cdk.Stack.of(construct)
    return stack.format_arn(service="sagemaker", resource="training-job", resource_name="*")


def job_statements(
    construct: IConstruct,
    *,
    execution_role: iam.IRole,
    subnets: Sequence[ec2.ISubnet],
    security_groups: Sequence[ec2.ISecurityGroup],
) -> list[iam.PolicyStatement]:
    """Return statements that start, follow and stop jobs in these networks with this role.

    Args:
        construct: whatever has the policy.
        execution_role: the only role that is passed.
        subnets: the only subnets that a job may be started in.
        security_groups: the only groups that a job may be given.
    """
    jobs = job_arn(construct)
    return [
        iam.PolicyStatement(
            sid="StartJobs",
            actions=["sagemaker:CreateTrainingJob"],
            resources=[jobs],
            # A list that is absent satisfies ForAllValues, so absence is refused by itself.
            conditions={
                "ForAllValues:StringEquals": {
                    "sagemaker:VpcSubnets": [s.subnet_id for s in subnets],
                    "sagemaker:VpcSecurityGroupIds": [g.security_group_id for g in security_groups],
                },
                "Null": {
                    "sagemaker:VpcSubnets": "false",
                    "sagemaker:VpcSecurityGroupIds": "false",
                },
            },
        ),
        iam.PolicyStatement(
            sid="FollowJobs",
            actions=[
                "sagemaker:AddTags",
                "sagemaker:DescribeTrainingJob",
                # Step Functions asks it of a job that it waits for (as CDK's own task grants it).
                "sagemaker:ListTags",
                "sagemaker:StopTrainingJob",
            ],
            resources=[jobs],
        ),
        iam.PolicyStatement(
            sid="PassExecutionRole",
            actions=["iam:PassRole"],
            resources=[execution_role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
    ]
