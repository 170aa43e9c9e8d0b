"""The tables of alarms: on metrics of nodes, Slurm and programs, and of AWS services."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from ultracluster.catalogue.values import table

MATCHER: Final = "$env"
"""What stands in the table's queries for the environment's label."""
RUNBOOK: Final = "docs/operate/alarms.md"


def over(query: str, environment: str) -> str:
    """Return a query of this table, or of the dashboards', over one environment alone."""
    return query.replace(MATCHER, f'environment="{environment}"')


@dataclass(frozen=True, kw_only=True)
class AlarmText:
    """What whoever is woken by an alarm reads."""

    name: str
    """Its name, which is also its heading in the runbook."""
    means: str
    causes: str
    first: str
    """The first command to run, or the first thing to look at."""

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.means} Likely: {self.causes} First: {self.first}. See {RUNBOOK}#{self.name}"


@dataclass(frozen=True, kw_only=True)
class Alarm(AlarmText):
    """An alarm on what nodes report."""

    query: str
    """PromQL, of which each series that it returns is something wrong."""
    pending: int
    """Seconds for which a series must be there before the alarm fires."""
    needs: str = ""
    """What nodes must have for it: `gpu`, `efa`, `lustre`, `slurm`; empty for all."""

    def of(self, environment: str) -> str:
        """Return the query over one environment alone."""
        return over(self.query, environment)


@dataclass(frozen=True, kw_only=True)
class ServiceAlarm(AlarmText):
    """An alarm on what AWS measures of one thing, or writes into a log; see the table's head."""

    of: str
    """The dimension that names the thing, or `ScalingLog`."""
    metric: str = ""
    query: str = ""
    pattern: str = ""
    above: int = 0
    periods: int = 1


@cache
def alarms() -> Mapping[str, Alarm]:
    """Return the table, by name."""
    return {name: Alarm(name=name, **row) for name, row in table("alarms").items()}


@cache
def service_alarms() -> Mapping[str, ServiceAlarm]:
    """Return the table of AWS's own metrics, by name."""
    return {name: ServiceAlarm(name=name, **row) for name, row in table("service_alarms").items()}
