"""An encrypted SNS topic that one service of AWS writes to, and who is told by it."""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from ultracluster.spec.budget import TOPIC_ARN

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


class AlarmTopic(Construct):
    """Define whom alarms tell: topics that exist, and one that e-mail addresses subscribe to.

    Each address has to confirm its subscription once. A topic that exists must admit
    `cloudwatch.amazonaws.com`, and its key must as well.

    Args:
        notify: e-mail addresses, and ARNs of topics. Without any, the topic has no subscriber until
            somebody subscribes to it.
        key: encrypts the topic; CloudWatch is admitted to it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, notify: Sequence[str], key: kms.IKey
    ) -> None:
        super().__init__(scope, construct_id)

        self.arns = [address for address in notify if TOPIC_ARN.fullmatch(address)]
        """ARNs of all topics that are told."""
        addresses = [address for address in notify if address not in self.arns]
        self.topic: sns.Topic | None = None
        """The topic of the addresses; None where only topics that exist are told."""
        if self.arns and not addresses:
            return
        self.topic = notice_topic(self, "Topic", key=key, service="cloudwatch.amazonaws.com")
        self.arns.append(self.topic.topic_arn)
        for index, address in enumerate(addresses):
            sns.CfnSubscription(
                self,
                f"Subscription{index}",
                topic_arn=self.topic.topic_arn,
                protocol="email",
                endpoint=address,
            )
