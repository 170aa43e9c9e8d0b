"""The metrics and alarms of an environment."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ultracluster.catalogue.alarms import alarms, service_alarms
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, rule
from ultracluster.suggestions import did_you_mean


class ObservabilitySpec(Spec):
    """Metrics of nodes, Slurm and training programs in CloudWatch, and alarms on them.

    The CloudWatch agent sends metrics to CloudWatch's OpenTelemetry endpoint, and alarms query them
    by PromQL (decision 0017). AWS charges per GB; the cost sheet has an estimate.
    """

    every_seconds: Annotated[int, Field(ge=10, le=60)] = 15
    """Seconds between two measurements of a node. Twice the interval costs half as much, and delays
    every alarm by as much."""

    without: tuple[str, ...] = ()
    """Names of alarms to leave out; docs/operate/alarms.md lists them."""

    @rule
    def _alarms_are_known(self) -> Iterator[Problem]:
        known = {*alarms(), *service_alarms()}
        for index, name in enumerate(self.without):
            if name not in known:
                hint = did_you_mean(name, known)
                fix = f"no alarm has that name{hint}; docs/operate/alarms.md lists them"
                yield Problem(f"without[{index}]", name, fix)
