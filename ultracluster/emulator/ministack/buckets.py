"""Encryption of buckets, which MiniStack's CloudFormation drops although its S3 keeps it."""

from collections.abc import Mapping
from typing import Any, Final

from ultracluster.emulator import wire
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, ServiceError

Given = Mapping[str, Any]


ALGORITHM: Final = "x-amz-server-side-encryption"
KEY_ID: Final = "x-amz-server-side-encryption-aws-kms-key-id"


def install() -> None:
    """Let a write with `aws:kms` and no key take the bucket's key, or S3's own.

    S3 does so (user guide, "Using server-side encryption with AWS KMS keys"); MiniStack refuses,
    and with it every asset that the CDK CLI publishes.
    """
    inner = internals.s3._resolve_sse_write_headers

    def resolve(headers: Mapping[str, str], bucket: str) -> Any:
        if headers.get(ALGORITHM) == "aws:kms" and not headers.get(KEY_ID):
            default = internals.s3._bucket_default_sse_headers(bucket).get(KEY_ID)
            own = internals.current_scope().arn("kms", "alias/aws/s3")
            headers = {**headers, KEY_ID: default or own}
        return inner(headers, bucket)

    internals.s3._resolve_sse_write_headers = resolve


def require_empty(bucket: str) -> None:
    """Refuse to delete a bucket with objects or versions, as S3 does."""
    record = internals.s3._buckets.get(bucket)
    if record and (record["objects"] or internals.s3._bucket_has_versions(bucket)):
        raise ServiceError("S3", "BucketNotEmpty", "The bucket you tried to delete is not empty")


def encrypt(bucket: str, order: Order) -> dict[str, Any]:
    """Hand a template's encryption to S3."""
    given = order.properties.get("BucketEncryption")
    if given:
        arguments = {"Bucket": bucket, **_encryption(given)}
        body = wire.xml_request("s3", "PutBucketEncryption", arguments)
        status, _, answer = internals.s3._put_bucket_encryption(bucket, body)
        if status >= 400:  # noqa: PLR2004 - an HTTP error
            raise ServiceError("S3", "PutBucketEncryptionFailed", bytes(answer).decode())
    return {}


def _encryption(given: Given) -> Given:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault"),
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
        }
        for rule in given["ServerSideEncryptionConfiguration"]
    ]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}
