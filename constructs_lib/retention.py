"""What happens to a resource when its stack no longer wants it."""

from typing import Final

from aws_cdk import RemovalPolicy

KEEP: Final = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""Keep on update and delete, but not when its creation is rolled back: plain RETAIN leaves an
orphan behind every failed first deployment."""


def removal_policy(*, keep: bool) -> RemovalPolicy:
    """Return the policy of a resource that holds data, or that kept data cannot live without."""
    return KEEP if keep else RemovalPolicy.DESTROY
