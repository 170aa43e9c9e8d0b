"""The feature flags of CDK on which the templates of this library depend."""

from collections.abc import Mapping
from typing import Final

from constructs import IConstruct

FLAGS: Final[Mapping[str, object]] = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:explicitStackTags": True,
}


def pin(construct: IConstruct) -> None:
    """Give a construct and all below it the flags that this library is tested with.

    An app chooses its flags for itself; what this library defines is the same under all of them.

    Args:
        construct: one without children, because CDK takes context from nobody else.
    """
    for flag, value in FLAGS.items():
        construct.node.set_context(flag, value)
