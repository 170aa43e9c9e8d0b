"""Alarms on what nodes, Slurm and training programs measure."""

from collections.abc import Collection, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from ultracluster.catalogue.alarms import alarms
from ultracluster.spec.observability import ObservabilitySpec


class Observability(Construct):
    """Define an alarm for each thing that can go wrong, over the metrics of one environment.

    An alarm asks CloudWatch by PromQL and treats each series of the answer by itself, so that it
    fires once for each node or job (CloudWatch User Guide, "PromQL alarms", read 2026-11-27).
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
        """Define the alarms.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            spec: how often nodes measure, and which alarms are left out.
            environment_name: the environment whose metrics are asked for.
            has: what its nodes have, of `gpu`, `efa`, `lustre` and `slurm`; an alarm on what none
                of them has is left out.
            topics: ARNs of SNS topics that are told; they must admit `cloudwatch.amazonaws.com`.
        """
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
