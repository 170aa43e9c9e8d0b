"""The role that starts training jobs, and can start no others."""

from typing import Unpack

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.job_parameters import read_parameters
from constructs_lib.permissions import (
    ANY_JOB,
    JobLimits,
    add_policy,
    allow,
    arn,
    job_arn,
    job_statements,
)
from constructs_lib.unattended_training import UnattendedTraining
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG, RUN_COMMAND_DOCUMENT


class LauncherRole(Construct):
    """Define the role that starts training jobs: it may pass one execution role, and no other.

    Args:
        assumed_by: who starts jobs.
        parameter_path: path of the SSM parameters that say what a job is started with; they are
            read by GetParametersByPath with just this path.
        repository: the training images, whose tags it may list before it starts a job.
        unattended: the state machine that it may start, follow and stop.
        login_nodes_of: the environment to whose login nodes it may send Slurm jobs. Who sends
            commands to a node by Systems Manager is root there.
        **limits: what its jobs are bound to, see `JobLimits`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        assumed_by: iam.IPrincipal,
        parameter_path: str | None = None,
        repository: ecr.IRepository | None = None,
        unattended: UnattendedTraining | None = None,
        login_nodes_of: str | None = None,
        **limits: Unpack[JobLimits],
    ) -> None:
        super().__init__(scope, construct_id)

        self.role = iam.Role(
            self,
            "Resource",
            description="Starts, follows and stops SageMaker training jobs",
            assumed_by=assumed_by,
        )
        """The role."""
        environment = limits.get("environment")
        group = "log-group:/aws/sagemaker/TrainingJobs"
        names = "*" if environment is None else f"{environment}-*"
        groups, streams = (
            arn(self, "logs", f"{group}:{each}") for each in ("*", f"log-stream:{names}")
        )
        statements = [
            *job_statements(self, **limits),
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
            instances = arn(self, "ec2", "instance/*")
            document = arn(self, "ssm", f"document/{RUN_COMMAND_DOCUMENT}", account="")
            own = {ENVIRONMENT_TAG: login_nodes_of, ROLE_TAG: LOGIN}
            where = {"StringEquals": {f"aws:ResourceTag/{k}": value for k, value in own.items()}}
            statements += [
                allow("UseRunCommand", "ssm:SendCommand", on=document),
                allow("SendToLoginNodes", "ssm:SendCommand", on=instances, where=where),
                allow("FollowCommands", "ec2:DescribeInstances", "ssm:GetCommandInvocation"),
            ]
            wildcards[instances] = (
                "PCS replaces login nodes; the condition takes those of this environment alone, by "
                "the tags of their launch template."
            )
        description = "Starts, follows and stops SageMaker training jobs"
        add_policy(self, "Policy", self.role, statements, wildcards, description=description)
