"""The role that starts training jobs, and can start no others."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.job_parameters import read_parameters
from constructs_lib.permissions import ANY_JOB, add_policy, allow, job_arn, job_statements
from constructs_lib.unattended_training import UnattendedTraining
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG, RUN_COMMAND_DOCUMENT


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
        login_nodes_of: str | None = None,
        environment: str | None = None,
        instance_types: Sequence[str] | None = None,
    ) -> None:
        """Define the role.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            execution_role: the role that jobs run as.
            subnets: the only subnets that a job may be started in.
            security_groups: the only groups that a job may be given.
            environment: by whose name the names of its jobs begin; None for every job.
            instance_types: the only types that a job may ask for; None for all.
            assumed_by: who starts jobs.
            parameter_path: path of the SSM parameters that say what a job is started with; they
                are read by GetParametersByPath with just this path.
            repository: the training images, whose tags it may list before it starts a job.
            unattended: the state machine that it may start, follow and stop.
            login_nodes_of: the environment to whose login nodes it may send Slurm jobs. Who sends
                commands to a node by Systems Manager is root there.
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
        group = "log-group:/aws/sagemaker/TrainingJobs"
        names = "*" if environment is None else f"{environment}-*"
        groups, streams = (
            stack.format_arn(
                service="logs", resource=name, arn_format=cdk.ArnFormat.NO_RESOURCE_NAME
            )
            for name in (f"{group}:*", f"{group}:log-stream:{names}")
        )
        statements = [
            *job_statements(
                self,
                execution_role=execution_role,
                subnets=subnets,
                security_groups=security_groups,
                environment=environment,
                instance_types=instance_types,
            ),
            allow("ListJobs", "sagemaker:ListTrainingJobs"),
            # These two are of a whole group, and the first alone of one stream (service
            # authorization reference of CloudWatch Logs, read 2026-11-27).
            allow("FindLogs", "logs:DescribeLogStreams", "logs:FilterLogEvents", on=groups),
            allow("ReadLogs", "logs:GetLogEvents", on=streams),
        ]
        wildcards = {
            "*": "Listing jobs, describing what there is and reading answers have no resource.",
            job_arn(self, environment): ANY_JOB,
            groups: "Searching is of the whole group; SageMaker has one for all jobs.",
            streams: "Every node of a job has a log stream of its own in this one group.",
        }
        if parameter_path is not None:
            statements.append(read_parameters(self, parameter_path))
        if repository is not None:
            # What lets a request be judged before it is sent: zones, addresses, tags.
            statements += [
                allow("DescribeSurroundings", "ec2:DescribeSubnets", "fsx:DescribeFileSystems"),
                allow("ListImages", "ecr:ListImages", on=repository.repository_arn),
            ]
        if unattended is not None:
            statements += unattended.start_statements()
            wildcards[unattended.executions_arn] = (
                "An execution's name is chosen when it is started; all are of this "
                "environment's state machine."
            )
        if login_nodes_of is not None:
            statements += _command_statements(stack, login_nodes_of)
            wildcards[_instances(stack)] = (
                "PCS replaces login nodes; the condition takes those of this environment alone, by "
                "the tags of their launch template."
            )
        description = "Starts, follows and stops SageMaker training jobs"
        add_policy(self, "Policy", self.role, statements, wildcards, description=description)


def _instances(stack: cdk.Stack) -> str:
    return stack.format_arn(service="ec2", resource="instance", resource_name="*")


def _command_statements(stack: cdk.Stack, environment: str) -> list[iam.PolicyStatement]:
    """Return what sends commands to login nodes of an environment, and reads what came of them."""
    document = stack.format_arn(
        service="ssm", account="", resource="document", resource_name=RUN_COMMAND_DOCUMENT
    )
    own = {f"aws:ResourceTag/{ENVIRONMENT_TAG}": environment, f"aws:ResourceTag/{ROLE_TAG}": LOGIN}
    return [
        allow("UseRunCommand", "ssm:SendCommand", on=document),
        allow(
            "SendToLoginNodes",
            "ssm:SendCommand",
            on=_instances(stack),
            where={"StringEquals": own},
        ),
        allow("FollowCommands", "ec2:DescribeInstances", "ssm:GetCommandInvocation"),
    ]
