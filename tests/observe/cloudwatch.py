"""A stand-in for CloudWatch: alarms on AWS's own metrics, over samples that a test plants.

It takes the alarms and metric filters as CDK writes them, and evaluates them as AWS documents it
(CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing
data"; CloudWatch Logs User Guide, "Filter pattern syntax", read 2026-11-27): an alarm fires once as
many periods in a row as it asks for are beyond its threshold. Of Metrics Insights it knows the one
form that the alarms use. How late AWS's samples arrive it does not know.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Final

STATISTICS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "SUM": sum,
    "MAX": max,
    "AVERAGE": fmean,
}
QUERY: Final = re.compile(
    r"SELECT (?P<statistic>MAX|SUM)\((?P<metric>\w+)\) FROM SCHEMA\(\"(?P<namespace>[\w/]+)\","
    r" (?P<dimensions>[\w, ]+)\)(?: WHERE (?P<by>\w+) = '(?P<value>[^']*)')?"
)


@dataclass(frozen=True)
class Sample:
    """A value that AWS sends."""

    metric: str
    """Namespace and name, with a space between."""
    value: float
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A record in a log group."""

    group: str
    record: Mapping[str, str]


Events = Mapping[int, Sequence[Sample | Line]]
"""What is sent, by seconds after the start."""


@dataclass(frozen=True)
class CloudWatch:
    """Alarms and metric filters: the properties of their resources."""

    alarms: Mapping[str, Mapping[str, Any]]
    filters: Sequence[Mapping[str, Any]]

    def fires(self, name: str, events: Events, length: int) -> int | None:
        """Return after how many seconds an alarm fires; None where it is silent for the length."""
        alarm = self.alarms[name]
        asked = _Asked.of(alarm)
        values: dict[int, list[float]] = {}
        for at, sent in events.items():
            for sample in self._samples(sent):
                if asked.takes(sample):
                    values.setdefault(at // asked.period, []).append(sample.value)
        in_a_row = 0
        for index in range(length // asked.period):
            in_a_row = in_a_row + 1 if _breaches(alarm, asked, values.get(index)) else 0
            if in_a_row >= alarm["EvaluationPeriods"]:
                return (index + 1) * asked.period
        return None

    def _samples(self, sent: Sequence[Sample | Line]) -> Iterator[Sample]:
        for each in sent:
            if isinstance(each, Sample):
                yield each
                continue
            for rule in self.filters:
                if rule["LogGroupName"] == each.group and matches(
                    rule["FilterPattern"], each.record
                ):
                    (into,) = rule["MetricTransformations"]
                    name = f"{into['MetricNamespace']} {into['MetricName']}"
                    yield Sample(name, float(into["MetricValue"]))


@dataclass(frozen=True)
class _Asked:
    """What an alarm asks for."""

    metric: str
    statistic: str
    period: int
    dimensions: Mapping[str, str | None]
    """Each that a sample must have, and its value; None for any."""

    @classmethod
    def of(cls, alarm: Mapping[str, Any]) -> "_Asked":
        if "Metrics" not in alarm:
            by = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", ())}
            metric = f"{alarm['Namespace']} {alarm['MetricName']}"
            return cls(metric, alarm["Statistic"].upper(), alarm["Period"], by)
        (query,) = alarm["Metrics"]
        found = QUERY.fullmatch(query["Expression"])
        assert found, query["Expression"]
        names: dict[str, str | None] = dict.fromkeys(found["dimensions"].split(", "))
        if found["by"]:
            assert found["by"] in names
            names[found["by"]] = found["value"]
        metric = f"{found['namespace']} {found['metric']}"
        return cls(metric, found["statistic"], query["Period"], names)

    def takes(self, sample: Sample) -> bool:
        """Whether a sample is one of the metric: its dimensions are these, no more and no fewer."""
        return (
            sample.metric == self.metric
            and sample.dimensions.keys() == self.dimensions.keys()
            and all(
                value in (None, sample.dimensions[name]) for name, value in self.dimensions.items()
            )
        )


def _breaches(alarm: Mapping[str, Any], asked: _Asked, values: Sequence[float] | None) -> bool:
    if values is None:
        return bool(alarm["TreatMissingData"] == "breaching")
    value = STATISTICS[asked.statistic](values)
    above = alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert above or alarm["ComparisonOperator"] == "LessThanThreshold"
    return bool(value > alarm["Threshold"] if above else value < alarm["Threshold"])


def matches(pattern: str, record: Mapping[str, str]) -> bool:
    """Whether a record matches, for patterns of `=`, `&&`, `||` and parentheses."""
    text = re.sub(r"\$\.(\w+) = (\"\w+\")", r'(record.get("\1") == \2)', pattern.strip("{ }"))
    text = text.replace("&&", " and ").replace("||", " or ")
    assert "$" not in text
    return bool(eval(text, {"record": record}))  # noqa: S307 - the table's own patterns
