"""Proofs of budget and alarms."""

from collections.abc import Iterator
from typing import Final

from ultracluster.catalogue.alarms import alarms, service_alarms
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG, offered
from ultracluster.prove.cluster_proof import Fabric, fabrics, of_each
from ultracluster.prove.proof import Check, Evidence, equal, members

LATEST: Final = 15
"""Minutes after which somebody has to know that capacity is idle."""
OF_AN_ALERT: Final = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
"""By which AWS Budgets knows a notification."""


def budget(evidence: Evidence) -> Iterator[Check]:
    """The budget has the month's ceiling and the environment's tag, and notifies somebody."""
    deployment, spec = evidence.deployment, evidence.spec
    wanted = 1 if offered(spec.region) else 0
    yield equal("budgets", wanted, len(deployment.of_type("AWS::Budgets::Budget", "Network")))
    if not wanted:
        return
    found = evidence.described("Network", "Budget/Resource")
    account = evidence.cloud.ask("sts", "get_caller_identity")["Account"]
    which = {"AccountId": account, "BudgetName": found["BudgetName"]}
    limit = found["BudgetLimit"]
    money = f"{float(limit['Amount']):.0f} {limit['Unit']} {found['TimeUnit']}"
    yield equal("limit of the budget", f"{spec.budget.ceiling_usd_per_month} USD MONTHLY", money)
    tag = f"user:{ENVIRONMENT_TAG}${spec.name}"
    yield equal("what the budget watches", {"TagKeyValue": [tag]}, found.get("CostFilters"))
    yield from _alerts(evidence, which)


def _alerts(evidence: Evidence, which: dict[str, str]) -> Iterator[Check]:
    cloud, spec = evidence.cloud, evidence.spec.budget
    alerts = cloud.ask("budgets", "describe_notifications_for_budget", **which)["Notifications"]
    asked = {("ACTUAL", float(percent)) for percent in spec.alerts_percent}
    asked.add(("FORECASTED", float(spec.forecast_percent)))
    have = {(alert["NotificationType"], float(alert["Threshold"])) for alert in alerts}
    yield equal("alerts of the budget", sorted(asked), sorted(have))
    notified = sorted(spec.notify) or [evidence.id_at("Network", "Budget/Topic/Resource")]
    for alert in alerts:
        key = {name: alert[name] for name in OF_AN_ALERT if name in alert}
        named = {**which, "Notification": key}
        answer = cloud.ask("budgets", "describe_subscribers_for_notification", **named)
        addresses = sorted(subscriber["Address"] for subscriber in answer["Subscribers"])
        yield equal(f"who is notified at {alert['Threshold']:.0f} %", notified, addresses)


def idle_capacity(evidence: Evidence) -> Iterator[Check]:
    """Reserved capacity that is not used is told of within minutes, to everybody who is named."""
    reserved = [each for each in fabrics(evidence.spec) if each.nodes.capacity_reservation]
    every = evidence.deployment.of_type("AWS::CloudWatch::Alarm", "Cluster")
    alarms = [each for each in every if each.path.startswith("IdleCapacity")]
    yield equal("alarms on idle capacity", len(reserved), len(alarms))
    yield from _alarm(evidence)


@of_each
def _alarm(evidence: Evidence, fabric: Fabric) -> Iterator[Check]:
    reserved = fabric.nodes.capacity_reservation
    if reserved is None:
        return
    name = f"IdleCapacity-{fabric.name}" if fabric.name else "IdleCapacity"
    alarm = evidence.described("Cluster", f"{name}/Resource")
    yield from members(
        alarm,
        ("metric of the alarm", "InstanceUtilization", "MetricName"),
        ("percentage below which it goes off", reserved.least_used_percent, "Threshold"),
        ("what a missing metric is", "breaching", "TreatMissingData"),
    )
    given = reserved.capacity_reservation_id
    watched = given or evidence.id_at("Cluster", f"{fabric.placement}/Reservation")
    found = [each["Value"] for each in alarm["Dimensions"]]
    yield equal("reservation that the alarm watches", [watched], found)
    minutes = alarm["Period"] * alarm["EvaluationPeriods"] / 60
    yield Check("minutes until it goes off", f"at most {LATEST}", minutes, ok=minutes <= LATEST)
    told = sorted(set().union(*(subscribers(evidence, topic) for topic in alarm["AlarmActions"])))
    yield equal("who is told of idle capacity", sorted(evidence.spec.budget.notify), told)


def subscribers(evidence: Evidence, topic: str) -> set[str]:
    """Return who reads a topic: itself where it is the user's own."""
    if topic in evidence.spec.budget.notify:
        return {topic}
    answer = evidence.cloud.ask("sns", "list_subscriptions_by_topic", TopicArn=topic)
    return {each["Endpoint"] for each in answer["Subscriptions"]}


MOST_NAMES: Final = 100
"""Names of one DescribeAlarms call (CloudWatch API, botocore 1.43.106)."""


def measured(evidence: Evidence) -> Iterator[Check]:
    """Every alarm asks for this environment alone, and tells everybody who is named."""
    spec = evidence.spec
    stated = spec.observability
    every_alarm = evidence.deployment.of_type("AWS::CloudWatch::Alarm", "Cluster")
    names, of_aws = (
        [e.physical_id for e in every_alarm if e.path.startswith(part) and e.physical_id]
        for part in ("Observability/", "ServiceAlarms/")
    )
    if stated is None:
        yield equal("alarms on measurements", 0, len(names))
        return
    answer = evidence.cloud.ask("cloudwatch", "describe_alarms", AlarmNames=names[:MOST_NAMES])
    found = {each["AlarmName"]: each for each in answer["MetricAlarms"]}
    asked = {
        name: each["EvaluationCriteria"]["PromQLCriteria"]["Query"] for name, each in found.items()
    }
    every = alarms()
    wanted = {f"{spec.name}-{name}": alarm.of(spec.name) for name, alarm in every.items()}
    strange = sorted(name for name, query in asked.items() if wanted.get(name) != query)
    yield equal("alarms that are not as asked for", [], strange)
    left_out = {name.removeprefix(f"{spec.name}-") for name in wanted.keys() - asked.keys()}
    unexpected = [name for name in sorted(left_out) if not every[name].needs]
    yield equal("alarms left out", sorted(stated.without), unexpected)
    told = evidence.cloud.ask("cloudwatch", "describe_alarms", AlarmNames=of_aws)["MetricAlarms"]
    has = {"FileSystemId", "StateMachineArn"} | ({"ScalingLog"} if spec.slurm else set())
    has |= {"Nat"} if getattr(spec.network, "public_subnet_cidr", None) else set()
    due = {f"{spec.name}-{n}" for n, alarm in service_alarms().items() if alarm.of in has}
    due -= {f"{spec.name}-{name}" for name in stated.without}
    yield equal("alarms on what AWS measures", due, {each["AlarmName"] for each in told})
    topics = {topic for each in (*found.values(), *told) for topic in each["AlarmActions"]}
    heard = sorted(set().union(*(subscribers(evidence, topic) for topic in topics)))
    yield equal("who is told by alarms", sorted(spec.budget.notify), heard)
