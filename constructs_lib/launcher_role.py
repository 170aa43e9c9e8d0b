"""The role that starts training jobs, and can start no others."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge_wildcards


class LauncherRole(Construct):
    """Define the role that starts training jobs: it may pass one execution role, and no other."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        execution_role: iam.IRole,
        subnets: Sequence[ec2.ISubnet],
        security_groups: Sequence[ec2.ISecurityGroup],
        assumed_by: iam.IPrincipal,
        parameter_path: str | None = None,
    ) -> None:
        """Define the role.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            execution_role: the role that jobs run as.
            subnets: the only subnets that a job may be started in.
            security_groups: the only groups that a job may be given.
            assumed_by: who starts jobs.
            parameter_path: path of the SSM parameters that say what a job is started with; they
                are read by GetParametersByPath with just this path.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        jobs = stack.format_arn(service="sagemaker", resource="training-job", resource_name="*")

        self.role = iam.Role(
            self,
            "Resource",
            description="Starts, follows and stops SageMaker training jobs",
            assumed_by=assumed_by,
        )
        streams = stack.format_arn(
            service="logs",
            resource="log-group:/aws/sagemaker/TrainingJobs:*",
            arn_format=cdk.ArnFormat.NO_RESOURCE_NAME,
        )
        statements = [
            iam.PolicyStatement(
                sid="StartJobs",
                actions=["sagemaker:CreateTrainingJob"],
                resources=[jobs],
                # A list that is absent satisfies ForAllValues, so absence is refused by itself.
                conditions={
                    "ForAllValues:StringEquals": {
                        "sagemaker:VpcSubnets": [s.subnet_id for s in subnets],
                        "sagemaker:VpcSecurityGroupIds": [
                            g.security_group_id for g in security_groups
                        ],
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
                    "sagemaker:StopTrainingJob",
                ],
                resources=[jobs],
            ),
            iam.PolicyStatement(
                sid="ListJobs", actions=["sagemaker:ListTrainingJobs"], resources=["*"]
            ),
            iam.PolicyStatement(
                sid="PassExecutionRole",
                actions=["iam:PassRole"],
                resources=[execution_role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            ),
            iam.PolicyStatement(
                sid="ReadLogs",
                actions=["logs:GetLogEvents", "logs:DescribeLogStreams", "logs:FilterLogEvents"],
                resources=[streams],
            ),
        ]
        if parameter_path is not None:
            # Who may read a path by GetParametersByPath reads all that is below it (Systems
            # Manager User Guide), so that no wildcard is needed.
            statements.append(
                iam.PolicyStatement(
                    sid="ReadParameters",
                    actions=["ssm:GetParametersByPath"],
                    resources=[
                        stack.format_arn(
                            service="ssm",
                            resource="parameter",
                            resource_name=parameter_path.strip("/"),
                        )
                    ],
                )
            )
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Starts, follows and stops SageMaker training jobs",
            roles=[self.role],
            statements=statements,
        )
        acknowledge_wildcards(
            policy,
            {
                "*": "Listing training jobs has no resource.",
                jobs: (
                    "A job's name is chosen when it is started; network, groups and role of what "
                    "may be started are fixed by conditions."
                ),
                streams: "Every node of a job has a log stream of its own in this one group.",
            },
        )
