"""The role that starts training jobs, and can start no others."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge_wildcards
from constructs_lib.job_parameters import read_parameters
from constructs_lib.job_permissions import ANY_JOB, job_arn, job_statements
from constructs_lib.unattended_training import UnattendedTraining


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
        repository: ecr.IRepository | None = None,
        unattended: UnattendedTraining | None = None,
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
            repository: the training images, whose tags it may list before it starts a job.
            unattended: the state machine that it may start, follow and stop.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)

        self.role = iam.Role(
            self,
            "Resource",
            description="Starts, follows and stops SageMaker training jobs",
            assumed_by=assumed_by,
        )
        """The role."""
        streams = stack.format_arn(
            service="logs",
            resource="log-group:/aws/sagemaker/TrainingJobs:*",
            arn_format=cdk.ArnFormat.NO_RESOURCE_NAME,
        )
        statements = [
            *job_statements(
                self,
                execution_role=execution_role,
                subnets=subnets,
                security_groups=security_groups,
            ),
            iam.PolicyStatement(
                sid="ListJobs", actions=["sagemaker:ListTrainingJobs"], resources=["*"]
            ),
            iam.PolicyStatement(
                sid="ReadLogs",
                actions=["logs:GetLogEvents", "logs:DescribeLogStreams", "logs:FilterLogEvents"],
                resources=[streams],
            ),
        ]
        if parameter_path is not None:
            statements.append(read_parameters(self, parameter_path))
        if repository is not None:
            statements += self._survey(repository)
        if unattended is not None:
            statements += unattended.start_statements()
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Starts, follows and stops SageMaker training jobs",
            roles=[self.role],
            document=iam.PolicyDocument(minimize=True, statements=statements),
        )
        acknowledge_wildcards(
            policy,
            {
                "*": "Listing jobs and describing subnets and file systems have no resource.",
                job_arn(self): ANY_JOB,
                streams: "Every node of a job has a log stream of its own in this one group.",
            },
        )
        if unattended is not None:
            acknowledge_wildcards(
                policy,
                {
                    unattended.executions_arn: (
                        "An execution's name is chosen when it is started; all are of this "
                        "environment's state machine."
                    )
                },
            )

    def _survey(self, repository: ecr.IRepository) -> list[iam.PolicyStatement]:
        """Return what lets a request be judged before it is sent: zones, addresses, tags."""
        return [
            iam.PolicyStatement(
                sid="DescribeSurroundings",
                actions=["ec2:DescribeSubnets", "fsx:DescribeFileSystems"],
                resources=["*"],
            ),
            iam.PolicyStatement(
                sid="ListImages",
                actions=["ecr:ListImages"],
                resources=[repository.repository_arn],
            ),
        ]
