"""An alarm on reserved capacity that nobody uses."""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

PERIOD: Final = cdk.Duration.minutes(5)
"""EC2 sends the metrics of a reservation every five minutes (EC2 User Guide, "Monitor Capacity
Reservations usage with CloudWatch metrics"; DAY2 facts of 2026-11-26)."""
PERIODS: Final = 2
"""One low value is a node that is being replaced; two are a quarter of an hour at the most."""


class IdleCapacityAlarm(Construct):
    """Define an alarm that tells, within a quarter of an hour, that a reservation is not used."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        capacity_reservation_id: str,
        topics: Sequence[str],
        least_used_percent: int,
    ) -> None:
        """Define the alarm.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            capacity_reservation_id: the reservation, `cr-...`.
            topics: ARNs of SNS topics that are told; they must admit `cloudwatch.amazonaws.com`
                (`AlarmTopic`).
            least_used_percent: share of its instances below which somebody is told.
        """
        super().__init__(scope, construct_id)

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
            alarm_actions=list(topics),
            ok_actions=list(topics),
        )
        """The L1 resource."""
