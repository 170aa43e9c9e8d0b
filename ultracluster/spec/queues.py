"""Queues of a Slurm cluster: node groups and limits of their jobs."""

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, TextFormat, UndeterminedError, rule

NAME: Final = re.compile(r"(?!pcs_)[A-Za-z][A-Za-z0-9-]{2,24}")
"""AWS PCS API, `QueueName` and `ComputeNodeGroupName` (botocore 1.43.106)."""
ENVIRONMENTS_NODES: Final = "nodes"
"""The name of the environment's own nodes in `QueueSpec.node_groups`."""
TIME: Final = re.compile(r"(?:(\d+)-)?(\d+)(?::([0-5]?\d))?(?::([0-5]?\d))?")
NO_LIMIT: Final = ("UNLIMITED", "INFINITE")
LIMIT: Final = TextFormat(
    "|".join((TIME.pattern, *NO_LIMIT)),
    "Slurm takes minutes, hours:minutes:seconds or days-hours; write "
    '"60", "2:00:00" or "1-0", or UNLIMITED',
)
HIGHEST_TIER: Final = 65533
"""slurm.conf, `PriorityTier` and `PriorityJobFactor` (Slurm 25.11, read 2026-11-27)."""

FIELDS: Final = {
    "MaxTime": "max_time",
    "DefaultTime": "default_time",
    "PriorityTier": "priority_tier",
    "AllowAccounts": "allow_accounts",
}
"""The fields by Slurm's names."""


def seconds(given: str) -> float:
    """Return a time limit in seconds, in Slurm's notation.

    `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`, `days-hours:minutes`,
    `days-hours:minutes:seconds` or `UNLIMITED` (slurm.conf, MaxTime, read 2026-11-27).

    Raises:
        UndeterminedError: where the text is not a time limit.
    """
    if given in NO_LIMIT:
        return float("inf")
    match = TIME.fullmatch(given)
    if match is None:
        raise UndeterminedError(given)
    days, *parts = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    # With days the first number is hours. Without, one or two numbers begin with minutes.
    weights = (3600, 60, 1) if days or len(numbers) == 3 else (60, 1)  # noqa: PLR2004
    return int(days or 0) * 86400 + sum(n * w for n, w in zip(numbers, weights, strict=False))


def _another_name(given: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9-]+", "-", given).lstrip("-0123456789")[:25]
    name = clean if len(clean) > 2 else "train"  # noqa: PLR2004
    return f'PCS takes 3 to 25 letters, digits and hyphens, a letter first; write "{name}"'


class QueueSpec(Spec):
    """A queue, which Slurm calls a partition, and the limits of its jobs."""

    name: Annotated[str, TextFormat(NAME.pattern, _another_name)] = "train"
    """Its name, which users write after `sbatch --partition`."""

    node_groups: Annotated[tuple[str, ...], Field(min_length=1)] = (ENVIRONMENTS_NODES,)
    """Names of the node groups that its jobs run on; `nodes` are the environment's own nodes. EFA
    connects the nodes of one group only, so that a job should use a single group."""

    max_time: Annotated[str | None, LIMIT] = None
    """Longest time limit of a job, in Slurm's notation (`2:00:00`, `1-0` for a day); None has no
    limit."""

    default_time: Annotated[str | None, LIMIT] = None
    """Time limit of jobs that do not set one; None takes `max_time`."""

    priority_tier: Annotated[int, Field(ge=0, le=HIGHEST_TIER)] | None = None
    """Slurm considers jobs of queues with a higher tier first; Slurm's default is 1."""

    allow_accounts: tuple[str, ...] = ()
    """Accounts that may submit jobs; if empty, all may."""

    def custom_settings(self) -> dict[str, str]:
        """Return the queue's Slurm settings by name."""
        stated = {name: getattr(self, field) for name, field in FIELDS.items()}
        return {
            name: ",".join(value) if isinstance(value, tuple) else str(value)
            for name, value in stated.items()
            if value is not None and value != ()
        }

    @rule
    def _default_is_within_the_limit(self) -> Iterator[Problem]:
        if self.default_time is None or self.max_time is None:
            return
        if seconds(self.default_time) > seconds(self.max_time):
            fix = "jobs without a time limit would ask for more than max_time, and never start"
            yield self.problem_of("default_time", f'{fix}; write "{self.max_time}" or less')
