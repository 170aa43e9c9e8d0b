"""What an EC2 instance type holds, for the start-up check.

`instances.json` is written by `facts/job_environment.py` from the catalogue of the constructs
(DescribeInstanceTypes dump of moto 5.2.5, read 2026-11-23), because the container carries no other
part of this repository.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance type with EFA."""

    name: str
    """Its name, without `ml.`."""
    gpus: int
    cards: int
    """EFA devices that AWS's layouts give it."""
    gbps: float
    """Bandwidth of all its cards together, in Gbps."""


@cache
def known() -> dict[str, Instance]:
    """Return every instance type with EFA and an accelerator, by its name."""
    data = json.loads((files("training.launch") / "instances.json").read_text())
    return {name: Instance(name, **values) for name, values in data.items()}


def instance(name: str | None) -> Instance | None:
    """Return an instance type by its EC2 or SageMaker name, None where it has no EFA."""
    return known().get((name or "").removeprefix("ml."))
