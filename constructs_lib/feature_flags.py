"""The feature flags of CDK on which the templates of this library depend.

Policies are minimized by `iam.PolicyDocument(minimize=True)`: CDK reads that flag at the stack.
"""

from collections.abc import Mapping
from typing import Final

from constructs import IConstruct

FLAGS: Final[Mapping[str, object]] = {
    "@aws-cdk/aws-efs:mountTargetOrderInsensitiveLogicalId": True,
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:automaticL1Traits": True,
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
    "@aws-cdk/core:enablePartitionLiterals": False,
    "@aws-cdk/core:explicitStackTags": True,
    "@aws-cdk/core:stackRelativeExports": True,
}


def pin(construct: IConstruct) -> None:
    """Give a construct and all below it the flags that this library is tested with.

    An app chooses flags for its own resources; those of this library are the same under all.

    Args:
        construct: one without children, because CDK takes context from nobody else.
    """
    for flag, value in FLAGS.items():
        construct.node.set_context(flag, value)
