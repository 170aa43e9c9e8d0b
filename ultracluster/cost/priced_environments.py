"""Environments to be priced: also those that their own ceiling refuses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ultracluster.cost.quantities import bill
from ultracluster.cost.sheet import CostSheet, Quantity, cost_sheet
from ultracluster.environments import project_folder
from ultracluster.problem import Problem, SpecError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import read

MONEY: Final = ("ceiling_usd_per_day", "prices", "price_region")
FIELDS: Final = ("budget", *(f"budget.{name}" for name in MONEY))
"""Where an environment says that its ceiling is missing, too low, or cannot be checked."""


@dataclass(frozen=True)
class Estimate:
    """An environment with its bill, and what is wrong with its ceiling."""

    spec: EnvironmentSpec
    problems: tuple[Problem, ...]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        return bill(self.spec)

    @property
    def sheet(self) -> CostSheet:
        """What it costs by the table as it is now."""
        if self.has_budget:
            return self.spec.cost_sheet()
        return cost_sheet(self.quantities, self.spec.region)

    @property
    def has_budget(self) -> bool:
        """Whether a ceiling is stated that can be read."""
        return "budget" in vars(self.spec)


def estimates(path: Path) -> tuple[Estimate, ...]:
    """Return the environments of a file that can work but for what they cost.

    Raises:
        EnvironmentFileError: where the file holds none.
        SpecError: with every problem, where one cannot work for another reason.
    """
    specs, problems = read(path, EnvironmentSpec, project=project_folder())
    of_money = {f"{vars(s).get('name')}.{field}" for s in specs for field in FIELDS}
    if any(problem.field not in of_money for problem in problems):
        raise SpecError(list(problems))
    return tuple(
        Estimate(spec, tuple(p for p in problems if p.field.startswith(f"{spec.name}.")))
        for spec in specs
    )
