"""Removal policies, and log groups with their retention."""

import hashlib
from typing import Final

import aws_cdk as cdk
from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

KEEP: Final = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""Keep on update and delete, but not when its creation is rolled back: plain RETAIN leaves an
orphan behind every failed first deployment."""


def removal_policy(*, keep: bool) -> RemovalPolicy:
    """Return the removal policy of resources with data, and of those that kept data needs."""
    return KEEP if keep else RemovalPolicy.DESTROY


def log_group(
    scope: Construct,
    construct_id: str,
    *,
    key: kms.IKey | None,
    keep: bool,
    name: str | None = None,
) -> logs.LogGroup:
    """Define a log group with a retention of three months.

    Args:
        scope: the parent construct.
        construct_id: the id in that scope.
        key: the key that encrypts it; its policy must allow CloudWatch Logs.
        keep: whether it is kept when the stack is deleted.
        name: its name, if a service requires one; with None CloudFormation chooses.
    """
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=key,
        retention=logs.RetentionDays.THREE_MONTHS,
        removal_policy=removal_policy(keep=keep),
    )


def of_this_one(construct: Construct, usual: str) -> str:
    """Return what no other construct has, nor one of the next stack of that name.

    Args:
        construct: what is named.
        usual: its path in the stacks of this library, where it is told by its stack alone; by its
            path as well at every other, of which there may be several.
    """
    stack = cdk.Stack.of(construct)
    own = cdk.Fn.select(2, cdk.Fn.split("/", stack.stack_id))
    path = construct.node.path.removeprefix(f"{stack.node.path}/")
    return own if path == usual else f"{own}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
