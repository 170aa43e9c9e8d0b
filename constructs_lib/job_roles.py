"""IAM roles of SageMaker training jobs: the execution role, and the role that starts jobs."""

from collections.abc import Sequence
from typing import Unpack

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.image_repository import PULL_ACTIONS
from constructs_lib.job_parameters import read_parameters
from constructs_lib.permissions import (
    ANY_JOB,
    EVERY_OBJECT,
    JobLimits,
    add_policy,
    allow,
    arn,
    data_statements,
    grant,
    job_arn,
    job_statements,
    service_of_the_account,
)
from constructs_lib.unattended_training import UnattendedTraining
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG, RUN_COMMAND_DOCUMENT

METRIC_NAMESPACES = "/aws/sagemaker/*"
DESCRIBED = ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
USE_INTERFACES = (
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
WRITE_LOGS = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
)


class ExecutionRole(Construct):
    """Define the role that SageMaker training jobs in a VPC run as.

    The statements follow the SageMaker Developer Guide, "How to use SageMaker AI execution
    roles", CreateTrainingJob (copy read 2026-11-23), for a job with VPC, FSx for Lustre, S3, ECR,
    KMS, logs and metrics. Interfaces are scoped as AWS's own
    SageMakerStudioProjectRoleMachineLearningPolicy does (2026-08-22). No managed policy, and no
    `kms:CreateGrant`: instance types with local NVMe take no volume key.

    Args:
        bucket: the bucket of data, checkpoints and outputs.
        key: the bucket's key.
        repository: the training images.
        vpc: the network of the subnets.
        subnets: the subnets in which SageMaker may create network interfaces.
        security_groups: the only security groups of these interfaces.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        key: kms.IKey,
        repository: ecr.IRepository,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        security_groups: Sequence[ec2.ISecurityGroup],
    ) -> None:
        super().__init__(scope, construct_id)
        self._subnets, self._security_groups = subnets, security_groups

        self.role = iam.Role(
            self,
            "Resource",
            description="SageMaker training jobs",
            assumed_by=service_of_the_account(
                cdk.Stack.of(self), "sagemaker.amazonaws.com", job_arn(self)
            ),
        )
        """The role."""
        log_groups = arn(self, "logs", "log-group:/aws/sagemaker/*")
        interfaces = arn(self, "ec2", "network-interface/*")
        attached = [
            *(f"subnet/{subnet.subnet_id}" for subnet in subnets),
            *(f"security-group/{group.security_group_id}" for group in security_groups),
        ]
        own_vpc = {"ArnEquals": {"ec2:Vpc": arn(self, "ec2", f"vpc/{vpc.vpc_id}")}}
        statements = [
            *data_statements(bucket, key),
            allow("PullImages", *PULL_ACTIONS, on=repository.repository_arn),
            allow("EnterRegistry", "ecr:GetAuthorizationToken"),
            allow("DescribeNetwork", *(f"ec2:Describe{each}" for each in DESCRIBED)),
            allow(
                "CreateInterfaces",
                "ec2:CreateNetworkInterface",
                on=[interfaces, *(arn(self, "ec2", each) for each in attached)],
            ),
            allow("UseInterfaces", *USE_INTERFACES, on=interfaces, where=own_vpc),
            allow("Logs", *WRITE_LOGS, on=log_groups),
            allow(
                "Metrics",
                "cloudwatch:PutMetricData",
                where={"StringLike": {"cloudwatch:namespace": METRIC_NAMESPACES}},
            ),
            # The action has no resource type in IAM: a named resource would allow nothing. Who
            # reaches a file system is decided by its security group.
            allow("DescribeFileSystems", "fsx:DescribeFileSystems"),
        ]
        add_policy(
            self,
            "Policy",
            self.role,
            statements,
            {
                bucket.arn_for_objects("*"): EVERY_OBJECT,
                "*": (
                    "Describing networks and file systems, asking ECR for a token and putting "
                    "metrics have no resource; metrics are bound to SageMaker's namespace."
                ),
                interfaces: (
                    "SageMaker makes the interfaces of each job anew; they are bound to this "
                    "environment's subnets, groups and VPC."
                ),
                log_groups: (
                    "SageMaker names the log groups of its jobs itself, below this prefix."
                ),
            },
            description="SageMaker training jobs",
        )

    def grant_start_jobs(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role start, describe and stop jobs with this execution role and network."""
        return grant(
            grantee,
            job_statements(
                self,
                execution_role=self.role,
                subnets=self._subnets,
                security_groups=self._security_groups,
            ),
        )


class LauncherRole(Construct):
    """Define the role that starts training jobs; it may pass a single execution role.

    Args:
        assumed_by: the principal that may assume it.
        parameter_path: path of the SSM parameters for starting jobs; they are read by
            GetParametersByPath with exactly this path.
        repository: the training images, whose tags it may list before it starts a job.
        unattended: the state machine whose executions it may start, describe and stop.
        login_nodes_of: the environment to whose login nodes it may submit Slurm jobs. It does so by
            Systems Manager, and is therefore root on them.
        **limits: the limits of the jobs, see `JobLimits`.
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
            # Read before a request is sent, to check it: zones, addresses, tags.
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
