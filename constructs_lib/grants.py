"""Permissions that roles of other people's stacks are given."""

from collections.abc import Iterable

from aws_cdk import aws_iam as iam


def grant(grantee: iam.IGrantable, statements: Iterable[iam.PolicyStatement]) -> iam.Grant:
    """Add statements to the policy of a role, and return them as one grant.

    Args:
        grantee: the role, or whatever has one.
        statements: at least one; actions, resources and conditions of each are taken.
    """
    first, *others = (
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=statement.actions,
            resource_arns=statement.resources,
            conditions=statement.conditions or None,
        )
        for statement in statements
    )
    for other in others:
        first = first.combine(other)
    return first
