"""What jobs made of the GPUs that they had, by the nodes' own measurements."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ultracluster.catalogue.alarms import over
from ultracluster.prometheus import Prometheus

MOST: Final = 400
"""Jobs that are asked for, those of most idle hours: CloudWatch returns 500 series at most."""
WEEK: Final = 7 * 24 * 3600
"""Seconds: CloudWatch looks at no more in one request."""
USED: Final = 'ultracluster_gpu_utilization_ratio{$env, job_id!=""}'
BY_JOB: Final = "sum by (job_id, user)"
HELD: Final = f"{BY_JOB} (count_over_time({USED}[$length]))"
IDLE: Final = f"{HELD} - {BY_JOB} (sum_over_time({USED}[$length]))"
MFU: Final = "ultracluster_job_mfu_ratio{$env}"
PLANNED: Final = "ultracluster_job_planned_mfu_ratio{$env}"
QUERIES: Final[Mapping[str, str]] = {
    "held": f"({HELD}) and topk({MOST}, {IDLE})",
    "idle": f"topk({MOST}, {IDLE})",
    "mfu": f"{BY_JOB} (sum_over_time({MFU}[$length]))",
    "planned": f"{BY_JOB} (sum_over_time({PLANNED}[$length]))",
}
"""Samples by job; a sum of samples can be added to another week's."""


@dataclass(frozen=True)
class JobUse:
    """What a job made of its GPUs."""

    job: str
    user: str
    gpu_hours: Decimal
    """That nodes measured while it ran."""
    idle_gpu_hours: Decimal
    """Of it, without any work on the GPU, as NVIDIA's utilisation has it."""
    of_plan: Decimal | None
    """Mean MFU over the planned one; None where nobody planned it or the program tells none."""


def uses(
    asked: Prometheus, environment: str, until: float, seconds: int, every: int
) -> tuple[JobUse, ...]:
    """Return what jobs made of their GPUs, those with the most idle hours first.

    Args:
        asked: Who holds the nodes' measurements.
        environment: Its name.
        until: Unix time at which the time looked at ends.
        seconds: How long it is.
        every: Seconds between two measurements.

    Raises:
        UsageError: If nobody answers.
    """
    sums: dict[str, dict[tuple[str, str], Decimal]] = {name: {} for name in QUERIES}
    for begin in range(0, seconds, WEEK):
        length = f"{min(WEEK, seconds - begin)}s"
        for name, query in QUERIES.items():
            text = over(query, environment).replace("$length", length)
            for each in asked.ask("query", query=text, time=until - begin):
                job = each.labels.get("job_id", ""), each.labels.get("user", "")
                known = sums[name].get(job, Decimal(0))
                sums[name][job] = known + sum(Decimal(str(value)) for _, value in each.points)
    hours = Decimal(every) / 3600
    found = [
        JobUse(
            *job,
            gpu_hours=samples * hours,
            idle_gpu_hours=sums["idle"].get(job, Decimal(0)) * hours,
            of_plan=_ratio(sums["mfu"].get(job), sums["planned"].get(job)),
        )
        for job, samples in sums["held"].items()
    ]
    return tuple(sorted(found, key=lambda use: -use.idle_gpu_hours))


def _ratio(measured: Decimal | None, planned: Decimal | None) -> Decimal | None:
    return measured / planned if measured is not None and planned else None
