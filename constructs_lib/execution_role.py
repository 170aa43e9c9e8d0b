"""The role that SageMaker training jobs run as."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.image_repository import PULL_ACTIONS
from constructs_lib.permissions import (
    EVERY_OBJECT,
    add_policy,
    allow,
    arn,
    data_statements,
    grant,
    job_arn,
    job_statements,
    service_of_the_account,
)

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
        bucket: where data, checkpoints and outputs live.
        key: the bucket's key.
        repository: the training images.
        vpc: the network of the subnets.
        subnets: where SageMaker may put the network interfaces of a job.
        security_groups: the groups that it may put on them.
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
            # IAM knows no resource for it, and one that is named would allow nothing. Who reaches a
            # file system is decided by its security group.
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
        """Let a role start, follow and stop jobs that run as this one, in its network alone."""
        return grant(
            grantee,
            job_statements(
                self,
                execution_role=self.role,
                subnets=self._subnets,
                security_groups=self._security_groups,
            ),
        )
