"""An alarm on reserved capacity that nobody uses."""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.notice_topic import notice_topic
from ultracluster.spec.budget import TOPIC_ARN

PERIOD: Final = cdk.Duration.minutes(5)
"""EC2 sends the metrics of a reservation every five minutes (EC2 User Guide, "Monitor Capacity
Reservations usage with CloudWatch metrics"; DAY2 facts of 2026-11-26)."""
PERIODS: Final = 2
"""One low value is a node that is being replaced; two are a quarter of an hour at the most."""


class IdleCapacityAlarm(Construct):
    """Define an alarm that tells, within a quarter of an hour, that a reservation is not used.

    E-mail addresses get a topic of their own, and each has to confirm its subscription once. A
    topic that exists must admit `cloudwatch.amazonaws.com`, and its key must as well.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        capacity_reservation_id: str,
        notify: Sequence[str],
        key: kms.IKey,
        least_used_percent: int,
    ) -> None:
        """Define alarm and topic.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            capacity_reservation_id: the reservation, `cr-...`.
            notify: e-mail addresses, and ARNs of topics.
            key: encrypts the topic of the addresses; CloudWatch is admitted to it.
            least_used_percent: share of its instances below which somebody is told.
        """
        super().__init__(scope, construct_id)

        topics = [address for address in notify if TOPIC_ARN.fullmatch(address)]
        addresses = [address for address in notify if address not in topics]
        self.topic: sns.Topic | None = None
        """The topic of the addresses; None where there are none."""
        if addresses:
            service = "cloudwatch.amazonaws.com"
            self.topic = notice_topic(self, "Topic", key=key, service=service)
            topics.append(self.topic.topic_arn)
        for index, address in enumerate(addresses):
            sns.CfnSubscription(
                self,
                f"Subscription{index}",
                topic_arn=topics[-1],
                protocol="email",
                endpoint=address,
            )
        self.resource = cloudwatch.CfnAlarm(
            self,
            "Resource",
            alarm_description="Reserved instances are paid for and not used",
            namespace="AWS/EC2CapacityReservations",
            metric_name="InstanceUtilization",
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(
                    name="CapacityReservationId", value=capacity_reservation_id
                )
            ],
            statistic="Average",
            period=int(PERIOD.to_seconds()),
            evaluation_periods=PERIODS,
            comparison_operator="LessThanThreshold",
            threshold=least_used_percent,
            # A reservation without a metric is one that is gone, or that nobody sees the use of.
            treat_missing_data="breaching",
            alarm_actions=topics,
            ok_actions=topics,
        )
        """The L1 resource."""
