"""The alarms on what nodes, Slurm and training programs measure: `alarms.toml`, as values."""

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


@dataclass(frozen=True)
class Alarm:
    """One alarm."""

    name: str
    """Its name, which is also its heading in the runbook."""
    query: str
    """PromQL, of which each series that it returns is something wrong."""
    pending: int
    """Seconds for which a series must be there before the alarm fires."""
    means: str
    causes: str
    first: str
    """The first command to run, or the first thing to look at."""
    needs: str = ""
    """What nodes must have for it: `gpu`, `efa`, `lustre`, `slurm`; empty for all."""

    def of(self, environment: str) -> str:
        """Return the query over one environment alone."""
        return over(self.query, environment)

    @property
    def text(self) -> str:
        """What whoever is woken reads."""
        return f"{self.means} Likely: {self.causes} First: {self.first}. See {RUNBOOK}#{self.name}"


@cache
def alarms() -> Mapping[str, Alarm]:
    """Return the table, by name."""
    return {name: Alarm(name=name, **row) for name, row in table("alarms").items()}
