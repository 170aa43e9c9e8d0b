"""An encrypted SNS topic that one service of AWS writes to."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

WRITING: Final = ("kms:Decrypt", "kms:GenerateDataKey*")
"""What a service needs of the key of a topic that it writes to (SNS Developer Guide, "Enable
compatibility between event sources from AWS services and encrypted topics", read 2026-11-27)."""


def notice_topic(scope: Construct, construct_id: str, *, key: kms.IKey, service: str) -> sns.Topic:
    """Define a topic, and admit a service, in the name of this account only, to it and its key.

    Args:
        scope: the parent construct.
        construct_id: the id in that scope.
        key: encrypts the topic. Where it was imported its own policy has to admit the service.
        service: the service's principal, for example `budgets.amazonaws.com`.
    """
    topic = sns.Topic(scope, construct_id, master_key=key, enforce_ssl=True)
    # The account in the conditions keeps what others own out (AWS Cost Management User Guide,
    # "Creating an Amazon SNS topic for budget notifications"; of CloudWatch the SNS guide, "Example
    # cases for Amazon SNS access control").
    writer = iam.ServicePrincipal(
        service, conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(topic).account}}
    )
    for resource, actions, on in (
        (topic, ["sns:Publish"], topic.topic_arn),
        (key, [*WRITING], "*"),
    ):
        resource.add_to_resource_policy(
            iam.PolicyStatement(principals=[writer], actions=actions, resources=[on])
        )
    return topic
