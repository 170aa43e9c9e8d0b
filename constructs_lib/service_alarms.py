"""Alarms on what AWS itself measures of an environment's parts."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from ultracluster.catalogue.alarms import ServiceAlarm, service_alarms

PERIOD: Final = 300


class ServiceAlarms(Construct):
    """Define an alarm for each row of `service_alarms.toml` that the environment has part of."""

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
        """Define the alarms.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            environment_name: what the alarms' names begin with.
            of: what is watched: `FileSystemId`, `StateMachineArn`, as `ScalingLog` the name of
                the log group of PCS's scaling log, and as `Nat` anything where there is one.
            topics: ARNs of SNS topics that are told; they must admit `cloudwatch.amazonaws.com`.
            without: names of alarms that are left out.
        """
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
                # These metrics are there where something happens.
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
