"""CloudWatch alarms on nodes, AWS services and idle capacity, and their SNS topics."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.permissions import allow
from ultracluster.catalogue.alarms import ServiceAlarm, alarms, service_alarms
from ultracluster.spec.budget import TOPIC_ARN
from ultracluster.spec.observability import ObservabilitySpec

WRITING: Final = ("kms:Decrypt", "kms:GenerateDataKey*")
"""KMS actions that a service needs to publish to an encrypted topic (SNS Developer Guide, "Enable
compatibility between event sources from AWS services and encrypted topics", read 2026-11-27)."""


def is_topic(address: str) -> bool:
    """Whether an address is a topic's ARN; a token is taken for one."""
    return cdk.Token.is_unresolved(address) or TOPIC_ARN.fullmatch(address) is not None


def notice_topic(scope: Construct, construct_id: str, *, key: kms.IKey, service: str) -> sns.Topic:
    """Define a topic to which a service may publish, for resources of this account only.

    Args:
        scope: the parent construct.
        construct_id: the id in that scope.
        key: the key that encrypts the topic. An imported key's policy must allow the service
            already.
        service: the service's principal, for example `budgets.amazonaws.com`.
    """
    topic = sns.Topic(scope, construct_id, master_key=key, enforce_ssl=True)
    # The conditions on the account refuse resources of other accounts (AWS Cost Management User
    # Guide, "Creating an Amazon SNS topic for budget notifications"; of CloudWatch the SNS guide,
    # "Example cases for Amazon SNS access control").
    writer = iam.ServicePrincipal(
        service, conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(topic).account}}
    )
    topic.add_to_resource_policy(allow(None, "sns:Publish", on=topic.topic_arn, by=writer))
    key.add_to_resource_policy(allow(None, *WRITING, by=writer))
    return topic


class AlarmTopic(Construct):
    """Define the topics of alarms: existing ones, and a new one for e-mail addresses.

    Each address has to confirm its subscription once. The policies of an existing topic and of its
    key must allow `cloudwatch.amazonaws.com`.

    Args:
        notify: e-mail addresses, and ARNs of existing topics. If empty, the new topic has no
            subscriber.
        key: the key that encrypts the new topic; CloudWatch gets access to it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, notify: Sequence[str], key: kms.IKey
    ) -> None:
        super().__init__(scope, construct_id)

        self.arns = [address for address in notify if is_topic(address)]
        """ARNs of all topics, for the actions of alarms."""
        addresses = [address for address in notify if address not in self.arns]
        self.topic: sns.Topic | None = None
        """The new topic; None where `notify` has only existing topics."""
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


PERIOD: Final = 300
"""Seconds: EC2 sends the metrics of a reservation every five minutes (EC2 User Guide, "Monitor
Capacity Reservations usage with CloudWatch metrics"; DAY2 facts of 2026-11-26)."""
PERIODS: Final = 2
"""One low value may be a node that is being replaced; two take at most a quarter of an hour."""


class Observability(Construct):
    """Define the alarms on the metrics of an environment's nodes, Slurm and jobs.

    An alarm is a PromQL query, which CloudWatch evaluates for each series: it fires for each node
    or job (CloudWatch User Guide, "PromQL alarms", read 2026-11-27).

    Args:
        spec: the interval of measurements, and the alarms to leave out.
        environment_name: the environment's name, a label of its metrics.
        has: what its nodes have, of `gpu`, `efa`, `lustre` and `slurm`; other alarms are left out.
        topics: ARNs of SNS topics that are told; they must admit `cloudwatch.amazonaws.com`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: ObservabilitySpec,
        environment_name: str,
        has: Collection[str],
        topics: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)

        self.alarms = {
            name: cloudwatch.CfnAlarm(
                self,
                name,
                alarm_name=f"{environment_name}-{name}",
                alarm_description=alarm.text,
                evaluation_criteria=cloudwatch.CfnAlarm.EvaluationCriteriaProperty(
                    prom_ql_criteria=cloudwatch.CfnAlarm.AlarmPromQLCriteriaProperty(
                        query=alarm.of(environment_name),
                        pending_period=alarm.pending,
                        recovery_period=2 * spec.every_seconds,
                    )
                ),
                evaluation_interval=spec.every_seconds,
                alarm_actions=list(topics),
                ok_actions=list(topics),
            )
            for name, alarm in alarms().items()
            if name not in spec.without and (not alarm.needs or alarm.needs in has)
        }
        """The alarms, by the names of docs/operate/alarms.md."""


class ServiceAlarms(Construct):
    """Define the alarms of `service_alarms.toml` on metrics that AWS services send by themselves.

    Args:
        environment_name: the beginning of the alarms' names.
        of: the watched resources, by key: `FileSystemId`, `StateMachineArn`, `ScalingLog` (the log
            group of PCS's scaling log), and `Nat` (any value, where there is a NAT gateway).
        topics: ARNs of SNS topics that are told; they must admit `cloudwatch.amazonaws.com`.
        without: names of alarms that are left out.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment_name: str,
        of: Mapping[str, str],
        topics: Sequence[str],
        without: Collection[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)

        self._namespace = f"UltraCluster/{environment_name}"
        self.alarms = {
            name: cloudwatch.CfnAlarm(
                self,
                name,
                alarm_name=f"{environment_name}-{name}",
                alarm_description=alarm.text,
                comparison_operator="GreaterThanThreshold",
                threshold=alarm.above,
                evaluation_periods=alarm.periods,
                # These metrics have values only while there is activity.
                treat_missing_data="notBreaching",
                alarm_actions=list(topics),
                ok_actions=list(topics),
                **self._measured(alarm, of[alarm.of]),
            )
            for name, alarm in service_alarms().items()
            if name not in without and alarm.of in of
        }
        """The alarms, by the names of docs/operate/alarms.md."""

    def _measured(self, alarm: ServiceAlarm, value: str) -> dict[str, Any]:
        if alarm.query:
            asked = cloudwatch.CfnAlarm.MetricDataQueryProperty(
                id="asked",
                expression=alarm.query.replace("$value", value),
                period=PERIOD,
                return_data=True,
            )
            return {"metrics": [asked]}
        namespace, name = self._namespace, alarm.name
        dimensions = None
        if alarm.pattern:
            counted = logs.CfnMetricFilter.MetricTransformationProperty(
                metric_name=name, metric_namespace=namespace, metric_value="1"
            )
            logs.CfnMetricFilter(
                self,
                f"{name}-lines",
                log_group_name=value,
                filter_pattern=alarm.pattern,
                metric_transformations=[counted],
            )
        else:
            namespace, name = alarm.metric.split()
            dimensions = [cloudwatch.CfnAlarm.DimensionProperty(name=alarm.of, value=value)]
        return {
            "namespace": namespace,
            "metric_name": name,
            "dimensions": dimensions,
            "statistic": "Sum",
            "period": PERIOD,
        }


class IdleCapacityAlarm(Construct):
    """Define an alarm that fires within a quarter of an hour when a reservation is not used.

    Args:
        capacity_reservation_id: the reservation, `cr-...`.
        topics: ARNs of SNS topics that are told; they must admit `cloudwatch.amazonaws.com`
            (`AlarmTopic`).
        least_used_percent: percentage of its instances below which the alarm fires.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        capacity_reservation_id: str,
        topics: Sequence[str],
        least_used_percent: int,
    ) -> None:
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
            period=PERIOD,
            evaluation_periods=PERIODS,
            comparison_operator="LessThanThreshold",
            threshold=least_used_percent,
            # A reservation without the metric is gone, or its usage is unknown.
            treat_missing_data="breaching",
            alarm_actions=list(topics),
            ok_actions=list(topics),
        )
        """The L1 resource."""
