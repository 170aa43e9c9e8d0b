"""Proof of the alarms on what nodes, Slurm and training programs measure."""

from collections.abc import Iterator
from typing import Final

from ultracluster.catalogue.alarms import alarms
from ultracluster.prove.budget_proof import subscribers
from ultracluster.prove.proof import Check, Evidence, equal

MOST_NAMES: Final = 100
"""Names of one DescribeAlarms call (CloudWatch API, botocore 1.43.106)."""


def measured(evidence: Evidence) -> Iterator[Check]:
    """Every alarm asks for this environment alone, and tells everybody who is named."""
    spec = evidence.spec
    stated = spec.observability
    names = [
        each.physical_id
        for each in evidence.deployment.of_type("AWS::CloudWatch::Alarm", "Cluster")
        if each.path.startswith("Observability/") and each.physical_id
    ]
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
    topics = {topic for each in found.values() for topic in each["AlarmActions"]}
    heard = sorted(set().union(*(subscribers(evidence, topic) for topic in topics)))
    yield equal("who is told by alarms", sorted(spec.budget.notify), heard)
