"""What an environment measures of itself, and which alarms it has."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ultracluster.catalogue.alarms import alarms, service_alarms
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, rule
from ultracluster.suggestions import did_you_mean


class ObservabilitySpec(Spec):
    """Metrics of nodes, Slurm and training programs in CloudWatch, and alarms on them.

    Metrics go to CloudWatch's OpenTelemetry endpoint by the agent of the nodes' image, and are
    asked by PromQL (decision 0017). AWS charges by the GB, which the cost sheet estimates.
    """

    every_seconds: Annotated[int, Field(ge=10, le=60)] = 15
    """Seconds between two measurements of a node. Twice as long costs half as much, and everything
    is noticed later by as much."""

    without: tuple[str, ...] = ()
    """Names of alarms that are left out, of docs/operate/alarms.md."""

    @rule
    def _alarms_are_known(self) -> Iterator[Problem]:
        known = {*alarms(), *service_alarms()}
        for index, name in enumerate(self.without):
            if name not in known:
                hint = did_you_mean(name, known)
                fix = f"no alarm has this name{hint}; docs/operate/alarms.md lists them"
                yield Problem(f"without[{index}]", name, fix)
