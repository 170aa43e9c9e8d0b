"""The data bucket and the bucket for its log."""

from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.data_bucket import DataBucket
from constructs_lib.keys import DataKey
from tests.constructs.bare import bare_stack, resources


def defined(*, keep: bool) -> cdk.Stack:
    stack = bare_stack()
    DataBucket(stack, "Data", key=DataKey(stack, "Key", keep=keep).key, keep=keep)
    return stack


@pytest.fixture(scope="session")
def kept() -> cdk.Stack:
    return defined(keep=True)


def data_bucket(stack: cdk.Stack) -> dict[str, Any]:
    """Return the bucket that logs into the other one."""
    (found,) = (
        bucket
        for bucket in resources(stack, "AWS::S3::Bucket").values()
        if "LoggingConfiguration" in bucket["Properties"]
    )
    return found


def test_data_is_encrypted_with_the_key_that_is_given(kept: cdk.Stack):
    """A key of its own can be taken away from everybody at once."""
    (key,) = resources(kept, "AWS::KMS::Key")
    (rule,) = data_bucket(kept)["Properties"]["BucketEncryption"][
        "ServerSideEncryptionConfiguration"
    ]

    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"] == {
        "KMSMasterKeyID": {"Fn::GetAtt": [key, "Arn"]},
        "SSEAlgorithm": "aws:kms",
    }


def test_every_bucket_is_versioned_and_private(kept: cdk.Stack):
    """A job that overwrites its checkpoint by mistake can have the last one back."""
    for bucket in resources(kept, "AWS::S3::Bucket").values():
        assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}


def test_every_bucket_refuses_what_is_not_tls(kept: cdk.Stack):
    """Data crosses networks that this environment does not own."""
    refused = set()
    for policy in resources(kept, "AWS::S3::BucketPolicy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny" and "Bool" in statement["Condition"]:
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                assert statement["Action"] == "s3:*"
                assert len(statement["Resource"]) == 2
                refused.add(policy["Properties"]["Bucket"]["Ref"])

    assert refused == set(resources(kept, "AWS::S3::Bucket"))


def test_nobody_writes_an_object_that_another_key_opens(kept: cdk.Stack):
    """Data encrypted with a stranger's key, or with the writer's own, is lost to everybody else."""
    (policy,) = [
        policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in resources(kept, "AWS::S3::BucketPolicy").values()
        if policy["Properties"]["Bucket"] == {"Ref": next(iter(_data(kept)))}
    ]
    denied = {each["Sid"]: each for each in policy if "Sid" in each and each["Effect"] == "Deny"}
    named = "s3:x-amz-server-side-encryption-aws-kms-key-id"

    # Where no key is named the bucket's own is used: such a request must pass.
    foreign = denied["DenyForeignKeys"]["Condition"]
    assert foreign["Null"] == {named: "false"}
    assert list(foreign["StringNotEquals"]) == [named]
    own = {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}
    assert denied["DenyCustomerKeys"]["Condition"] == {"Null": own}
    for each in (denied["DenyForeignKeys"], denied["DenyCustomerKeys"]):
        assert each["Principal"] == {"AWS": "*"}
        assert each["Action"] == "s3:PutObject"


def _data(stack: cdk.Stack) -> list[str]:
    return [name for name in resources(stack, "AWS::S3::Bucket") if "AccessLog" not in name]


def test_old_versions_and_torn_uploads_are_paid_for_some_days(kept: cdk.Stack):
    """Auto-export overwrites checkpoints of terabytes each."""
    (rule,) = data_bucket(kept)["Properties"]["LifecycleConfiguration"]["Rules"]

    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 3}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "ExpirationInDays" not in rule


def test_kept_data_outlives_the_stack(kept: cdk.Stack):
    """Kept on update and delete, and not left behind by a creation that failed."""
    for kind in ("AWS::S3::Bucket", "AWS::KMS::Key"):
        found = resources(kept, kind).values()
        assert {r["DeletionPolicy"] for r in found} == {"RetainExceptOnCreate"}
        assert {r["UpdateReplacePolicy"] for r in found} == {"Retain"}
    assert resources(kept, "Custom::S3AutoDeleteObjects") == {}


def test_other_data_goes_with_the_stack():
    """S3 deletes empty buckets only, so that they are emptied first."""
    stack = defined(keep=False)

    buckets = resources(stack, "AWS::S3::Bucket")
    assert {b["DeletionPolicy"] for b in buckets.values()} == {"Delete"}
    emptied = {
        r["Properties"]["BucketName"]["Ref"]
        for r in resources(stack, "Custom::S3AutoDeleteObjects").values()
    }
    assert emptied == set(buckets)
