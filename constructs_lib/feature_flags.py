"""The CDK feature flags on which the templates of this library depend.

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
    """Set the feature flags that this library is tested with, for a construct and its children.

    An app may choose other flags for its own resources; templates of this library do not change.

    Args:
        construct: a construct without children: CDK refuses context on others.
    """
    for flag, value in FLAGS.items():
        construct.node.set_context(flag, value)
