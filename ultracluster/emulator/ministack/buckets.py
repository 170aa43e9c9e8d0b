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
    """Refuse to delete a bucket with objects or versions, as S3 does.

    Raises:
        ServiceError: with S3's wording.
    """
    record = internals.s3._buckets.get(bucket)
    if record and (record["objects"] or internals.s3._bucket_has_versions(bucket)):
        raise ServiceError("S3", "BucketNotEmpty", "The bucket you tried to delete is not empty")


def apply_settings(bucket: str, order: Order) -> dict[str, Any]:
    """Hand encryption, lifecycle, ownership, logging and tags of a template to S3."""
    for name, (operation, handler, translated) in SETTINGS.items():
        if order.properties.get(name):
            arguments = {"Bucket": bucket, **translated(order.properties[name])}
            body = wire.xml_request("s3", operation, arguments)
            status, _, answer = getattr(internals.s3, handler)(bucket, body)
            if status >= 400:  # noqa: PLR2004 - an HTTP error
                raise ServiceError("S3", f"{operation}Failed", bytes(answer).decode())
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


def _lifecycle(given: Given) -> Given:
    return {"LifecycleConfiguration": {"Rules": [_lifecycle_rule(each) for each in given["Rules"]]}}


def _lifecycle_rule(given: Given) -> Given:
    rule: dict[str, Any] = {
        "Status": given["Status"],
        "Filter": {"Prefix": given.get("Prefix", "")},
        "AbortIncompleteMultipartUpload": given.get("AbortIncompleteMultipartUpload"),
        "NoncurrentVersionExpiration": given.get("NoncurrentVersionExpiration"),
    }
    if given.get("Id"):
        rule["ID"] = given["Id"]
    if given.get("ExpirationInDays"):
        rule["Expiration"] = {"Days": given["ExpirationInDays"]}
    if given.get("Transitions"):
        rule["Transitions"] = [
            {"Days": each.get("TransitionInDays"), "StorageClass": each["StorageClass"]}
            for each in given["Transitions"]
        ]
    return {name: value for name, value in rule.items() if value is not None}


def _ownership(given: Given) -> Given:
    return {"OwnershipControls": {"Rules": given["Rules"]}}


def _logging(given: Given) -> Given:
    target = {
        "TargetBucket": given.get("DestinationBucketName"),
        "TargetPrefix": given.get("LogFilePrefix", ""),
    }
    return {"BucketLoggingStatus": {"LoggingEnabled": target}}


def _tagging(given: Any) -> Given:
    tags = [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in given]
    return {"Tagging": {"TagSet": tags}}


SETTINGS: Final[Mapping[str, tuple[str, str, Callable[[Any], Given]]]] = {
    "BucketEncryption": ("PutBucketEncryption", "_put_bucket_encryption", _encryption),
    "LifecycleConfiguration": (
        "PutBucketLifecycleConfiguration",
        "_put_bucket_lifecycle",
        _lifecycle,
    ),
    "OwnershipControls": (
        "PutBucketOwnershipControls",
        "_put_bucket_ownership_controls",
        _ownership,
    ),
    "LoggingConfiguration": ("PutBucketLogging", "_put_bucket_logging", _logging),
    "Tags": ("PutBucketTagging", "_put_bucket_tagging", _tagging),
}
