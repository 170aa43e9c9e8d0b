"""What a role needs to read and write the data of an environment, and no more."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

EVERY_OBJECT = (
    "Data sets and checkpoints are objects whose names are chosen by jobs; the statement ends at "
    "this environment's own bucket."
)


def data_statements(bucket: s3.IBucket, key: kms.IKey) -> list[iam.PolicyStatement]:
    """Return statements that read and write a bucket and use its key.

    They are written out: the bucket's own grants add `s3:GetObject*` and its like, which reach
    ACLs, retention and legal hold as well.
    """
    return [
        iam.PolicyStatement(
            sid="ListData",
            actions=["s3:GetBucketLocation", "s3:ListBucket"],
            resources=[bucket.bucket_arn],
        ),
        iam.PolicyStatement(
            sid="ReadAndWriteData",
            actions=["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            resources=[bucket.arn_for_objects("*")],
        ),
        iam.PolicyStatement(
            sid="UseDataKey",
            actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"],
            resources=[key.key_arn],
        ),
    ]
