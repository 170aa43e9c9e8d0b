"""The S3 bucket of data sets, checkpoints and job outputs."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.feature_flags import pin
from constructs_lib.permissions import data_statements, grant
from constructs_lib.retention import removal_policy
from ultracluster.spec.lustre import NONCURRENT_DAYS

NOT_REPLICATED = (
    "Data sets have an origin and checkpoints are superseded within hours; a copy in a second "
    "Region would cost a transfer for each and is nowhere read."
)


class DataBucket(Construct):
    """Define an encrypted, versioned bucket that requires TLS, and a bucket for its access log.

    Args:
        key: the key that objects are encrypted with.
        keep: whether the buckets are kept when their stack is deleted; otherwise they are emptied
            and deleted.
        noncurrent_days: days for which noncurrent versions are kept.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        keep: bool,
        noncurrent_days: int = NONCURRENT_DAYS,
    ) -> None:
        super().__init__(scope, construct_id)
        pin(self)

        self.key = key
        """The key of its objects."""
        common: dict[str, Any] = {
            "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
            "enforce_ssl": True,
            "versioned": True,
            "removal_policy": removal_policy(keep=keep),
            "auto_delete_objects": not keep,
        }
        access_log = s3.Bucket(
            self,
            "AccessLog",
            **common,
            # Log delivery takes a bucket with SSE-S3 only (S3 User Guide, server access logging).
            encryption=s3.BucketEncryption.S3_MANAGED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(365),
                    noncurrent_version_expiration=cdk.Duration.days(7),
                )
            ],
        )
        self.access_log: s3.IBucket | None = access_log
        """The bucket of its server access log; None for an imported data bucket."""
        self.bucket: s3.IBucket = s3.Bucket(
            self,
            "Resource",
            **common,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            # One data key for many objects: 4,096 ranks that each call KMS would be throttled.
            bucket_key_enabled=True,
            server_access_logs_bucket=access_log,
            lifecycle_rules=[
                s3.LifecycleRule(
                    # Auto-export overwrites and deletes checkpoints, and each old version is
                    # paid for: of 14 TB every 2.5 hours a week's are nearly a petabyte.
                    noncurrent_version_expiration=cdk.Duration.days(noncurrent_days),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                )
            ],
        )
        """The bucket."""
        self._deny_foreign_keys()
        acknowledge(
            self.bucket,
            {"NIST.800.53.R5::NIST.800.53.R5-S3BucketReplicationEnabled": NOT_REPLICATED},
        )
        acknowledge(
            access_log,
            {
                "NIST.800.53.R5::NIST.800.53.R5-S3BucketReplicationEnabled": NOT_REPLICATED,
                "NIST.800.53.R5::NIST.800.53.R5-S3DefaultEncryptionKMS": (
                    "Server access logs can be delivered only to a bucket with SSE-S3."
                ),
            },
        )

    def grant_read_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role read and write objects and use the key, and nothing else.

        The grants of `s3.IBucket` add `s3:GetObject*` and the like, which reach ACLs and holds.
        """
        return grant(grantee, data_statements(self.bucket, self.key))

    def _deny_foreign_keys(self) -> None:
        """Refuse objects that are encrypted with another account's key or a key of the writer.

        Both conditions of a statement have to hold; where no key is named the bucket's own is used
        (S3 User Guide, "Specifying server-side encryption with AWS KMS", read 2026-11-27).
        """
        named = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        own = "s3:x-amz-server-side-encryption-customer-algorithm"
        foreign = {"Null": {named: "false"}, "StringNotEquals": {named: self.key.key_arn}}
        for sid, condition in (
            ("DenyForeignKeys", foreign),
            ("DenyCustomerKeys", {"Null": {own: "false"}}),
        ):
            self.bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=sid,
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["s3:PutObject"],
                    resources=[self.bucket.arn_for_objects("*")],
                    conditions=condition,
                )
            )

    @staticmethod
    def from_data_bucket_attributes(
        scope: Construct, construct_id: str, *, bucket: s3.IBucket, key: kms.IKey
    ) -> "DataBucket":
        """Return a data bucket that exists.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            bucket: the bucket.
            key: the key of its objects.
        """

        class Import(DataBucket):
            def __init__(self) -> None:
                Construct.__init__(self, scope, construct_id)
                self.bucket, self.key, self.access_log = bucket, key, None

        return Import()
