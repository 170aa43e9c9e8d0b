"""Bucket settings that MiniStack's CloudFormation drops although its S3 keeps them."""

from collections.abc import Callable, Mapping
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


def apply_settings(bucket: str, order: Order) -> dict[str, Any]:
    """Hand encryption, lifecycle and tags to S3; CDK's emptying function reads the tags."""
    s3, given = internals.s3, order.properties
    if given.get("BucketEncryption"):
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault"),
                "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
            }
            for rule in given["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        ]
        stated: Given = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
        _put("PutBucketEncryption", s3._put_bucket_encryption, bucket, stated)
    if given.get("LifecycleConfiguration"):
        stated = {"LifecycleConfiguration": {"Rules": _lifecycle(given["LifecycleConfiguration"])}}
        put = s3._put_bucket_lifecycle
        _put("PutBucketLifecycleConfiguration", put, bucket, stated)
    if given.get("Tags"):
        tags = [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in given["Tags"]]
        _put("PutBucketTagging", s3._put_bucket_tagging, bucket, {"Tagging": {"TagSet": tags}})
    return {}


def _put(operation: str, put: Callable[..., Any], bucket: str, arguments: Given) -> None:
    body = wire.xml_request("s3", operation, {"Bucket": bucket, **arguments})
    status, _, answer = put(bucket, body)
    if status >= 400:  # noqa: PLR2004 - an HTTP error
        raise ServiceError("S3", f"{operation}Failed", bytes(answer).decode())


def _lifecycle(given: Given) -> list[dict[str, Any]]:
    """Return CloudFormation's rules by the API's names, as far as buckets here have them."""
    rules = []
    for rule in given["Rules"]:
        same = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
        stated = {name: rule[name] for name in same if name in rule}
        if "ExpirationInDays" in rule:
            stated["Expiration"] = {"Days": rule["ExpirationInDays"]}
        if "Id" in rule:
            stated["ID"] = rule["Id"]
        rules.append({**stated, "Filter": {"Prefix": rule.get("Prefix", "")}})
    return rules
