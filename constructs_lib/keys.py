"""KMS keys of an environment: one for what is logged, one for what is stored."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.permissions import arn
from constructs_lib.retention import removal_policy


class LogKey(Construct):
    """Define a key that CloudWatch Logs may use for the log groups of this account and Region."""

    def __init__(self, scope: Construct, construct_id: str, *, keep: bool) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)

        self.key = kms.Key(
            self,
            "Resource",
            description="Log groups of a training environment",
            enable_key_rotation=True,
            removal_policy=removal_policy(keep=keep),
        )
        """The key."""
        groups = arn(self, "logs", "log-group:*")
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")],
                # CloudWatch Logs User Guide, "Encrypt log data" (copy read 2026-11-23).
                actions=[
                    "kms:Decrypt",
                    "kms:Describe*",
                    "kms:Encrypt",
                    "kms:GenerateDataKey*",
                    "kms:ReEncrypt*",
                ],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )


class DataKey(Construct):
    """Define the key of data bucket, file system and images."""

    def __init__(self, scope: Construct, construct_id: str, *, keep: bool) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)

        self.key = kms.Key(
            self,
            "Resource",
            description="Data of a training environment",
            enable_key_rotation=True,
            removal_policy=removal_policy(keep=keep),
        )
        """The key."""
        # Data repository associations read and write the bucket as a service-linked role whose
        # name carries the file system's id. It has no KMS permission of its own and does not
        # exist yet, so that it can be admitted by pattern only (FSx for Lustre User Guide, "Working
        # with server-side encrypted Amazon S3 buckets", copy read 2026-11-23).
        service = "aws-service-role/s3.data-source.lustre.fsx.amazonaws.com"
        role = arn(self, "iam", f"role/{service}/AWSServiceRoleForFSxS3Access_fs-*", region="")
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=[
                    "kms:Decrypt",
                    "kms:DescribeKey",
                    "kms:Encrypt",
                    "kms:GenerateDataKey*",
                    "kms:ReEncrypt*",
                ],
                resources=["*"],
                conditions={
                    "StringEquals": {
                        "kms:CallerAccount": stack.account,
                        "kms:ViaService": f"s3.{stack.region}.{stack.url_suffix}",
                    },
                    "ArnLike": {"aws:PrincipalArn": role},
                },
            )
        )
