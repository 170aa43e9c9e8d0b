"""KMS keys of an environment: one for logs, one for data."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.permissions import allow, arn
from constructs_lib.retention import removal_policy


class LogKey(Construct):
    """Define a key that CloudWatch Logs may use for the log groups of this account and Region."""

    def __init__(self, scope: Construct, construct_id: str, *, keep: bool) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)

        self.key = _key(self, "Log groups of a training environment", keep=keep)
        """The key."""
        logs = iam.ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")
        groups = arn(self, "logs", "log-group:*")
        # CloudWatch Logs User Guide, "Encrypt log data" (copy read 2026-11-23).
        verbs = ("Decrypt", "Describe*", "Encrypt", "GenerateDataKey*", "ReEncrypt*")
        of_groups = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}}
        use = allow(None, *(f"kms:{verb}" for verb in verbs), by=logs, where=of_groups)
        self.key.add_to_resource_policy(use)


class DataKey(Construct):
    """Define the key of data bucket, file systems and images; FSx for Lustre may use it for S3."""

    def __init__(self, scope: Construct, construct_id: str, *, keep: bool) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)

        self.key = _key(self, "Data of a training environment", keep=keep)
        """The key."""
        # Data repository associations read and write the bucket as a service-linked role whose
        # name carries the file system's id. It has no KMS permission of its own and does not
        # exist yet, so that it can be admitted by pattern only (FSx for Lustre User Guide, "Working
        # with server-side encrypted Amazon S3 buckets", copy read 2026-11-23).
        service = "aws-service-role/s3.data-source.lustre.fsx.amazonaws.com"
        role = arn(self, "iam", f"role/{service}/AWSServiceRoleForFSxS3Access_fs-*", region="")
        verbs = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*")
        through_s3 = {
            "kms:CallerAccount": stack.account,
            "kms:ViaService": f"s3.{stack.region}.{stack.url_suffix}",
        }
        associations = {"StringEquals": through_s3, "ArnLike": {"aws:PrincipalArn": role}}
        anyone = iam.AnyPrincipal()
        use = allow(None, *(f"kms:{verb}" for verb in verbs), by=anyone, where=associations)
        self.key.add_to_resource_policy(use)


def _key(scope: Construct, description: str, *, keep: bool) -> kms.Key:
    return kms.Key(
        scope,
        "Resource",
        description=description,
        enable_key_rotation=True,
        removal_policy=removal_policy(keep=keep),
    )
