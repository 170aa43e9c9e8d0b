"""Reads usage by user and job from Slurm's accounting and the nodes' metrics."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ultracluster.catalogue import prices
from ultracluster.catalogue.alarms import over
from ultracluster.exit_status import UsageError
from ultracluster.prometheus import Prometheus
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.nodes import NodesSpec

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


QUESTION: Final = """
set -o pipefail
sacct -a -X -D -n -P --truncate --noconvert --starttime="now-$1" --endtime=now \\
  --format=User,Account,Partition,State,ElapsedRaw,NNodes,AllocTRES |
  awk -F '|' '$5 >= 0 {
    sub(/ by .*/, "", $4)
    key = $1 "|" $2 "|" $3 "|" $4
    jobs[key]++
    if (match($7, /gres\\/gpu=[0-9]+/)) gpus[key] += $5 * substr($7, RSTART + 9, RLENGTH - 9)
    else nodes[key] += $5 * $6
  } END { for (key in jobs) printf "%s|%d|%.0f|%.0f\\n", key, jobs[key], nodes[key], gpus[key] }'
"""
"""Asked on a login node, and summed up there: Run Command returns 24,000 characters at most.

Without -D sacct shows of a requeued job its last run alone. Seconds of nodes are those of jobs of
which accounting tells no GPUs: such a job is charged its nodes, another one its GPUs.
"""
ROW: Final = re.compile(r"([^|]*\|){4}[0-9]{1,18}(\|[0-9]{1,18}){2}")
LOST: Final = (
    *("FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED"),
    "REQUEUED",
)
"""States of runs whose time bought nothing but what they had saved."""
SECONDS: Final = Decimal(3600)


@dataclass(frozen=True)
class Share:
    """What one user had of one queue, charged to one account."""

    user: str
    account: str
    queue: str
    jobs: int
    """Each run of a job that was requeued is one."""
    node_hours: Decimal
    """An eighth for each hour of one of eight GPUs."""
    gpu_hours: Decimal
    usd: Decimal
    lost_usd: Decimal
    """Of it for runs that failed, ran out of time or memory, lost a node or were requeued."""


@dataclass(frozen=True)
class Usage:
    """Who used what, and what nobody did."""

    hours: Decimal
    """Of the time looked at."""
    shares: tuple[Share, ...]
    """The dearest first."""
    idle_gpu_hours: Decimal
    """Of nodes that are paid for, running or not, and that no job had."""
    idle_usd: Decimal
    jobs: tuple[JobUse, ...] = ()
    """Those with the most idle hours first; none where the nodes' measurements were not asked."""


def usage(spec: EnvironmentSpec, text: str, hours: Decimal) -> Usage:
    """Return what the answer to `QUESTION` means for an environment.

    Raises:
        UsageError: where a line is no answer to it.
    """
    groups = _groups(spec)
    found: dict[tuple[str, str, str], list[tuple[str, int, Decimal]]] = {}
    for line in text.splitlines():
        user, account, queue, state, *numbers = _cells(line)
        jobs, seconds, of_gpus = map(int, numbers)
        nodes = next(iter(groups.get(queue, ())), None)
        # 1 for a queue without GPUs, and for a type whose accelerators no source counts.
        each = (nodes.instance.accelerator.count if nodes else 0) or 1
        row = (state, jobs, (seconds + Decimal(of_gpus) / each) / SECONDS)
        found.setdefault((user, account, queue), []).append(row)
    shares = [_share(spec, groups, key, rows) for key, rows in found.items()]
    used = {queue: Decimal(0) for queue in groups}
    for share in shares:
        used[share.queue] = used.get(share.queue, Decimal(0)) + share.node_hours
    idle = [
        (nodes, max(hours * nodes.total - _of(nodes, groups, used), Decimal(0)))
        for nodes in spec.fabrics().values()
        if nodes.pays_for_all
    ]
    return Usage(
        hours,
        tuple(sorted(shares, key=lambda share: -share.usd)),
        sum((each * nodes.instance.accelerator.count for nodes, each in idle), Decimal(0)),
        sum((each * node_price(spec, nodes) for nodes, each in idle), Decimal(0)),
    )


def node_price(spec: EnvironmentSpec, nodes: NodesSpec) -> Decimal:
    """Return what an hour of one node costs the environment; 0 if unknown."""
    bought = prices.on_demand if nodes.capacity_block is None else prices.capacity_block
    found = spec.price_of(bought(nodes.instance_type))
    return found.usd if found else Decimal(0)


def _cells(line: str) -> list[str]:
    if not ROW.fullmatch(line):
        raise UsageError(f"the login node answered {line[:80]!r}, which is not a row of sacct")
    return line.split("|")


def _groups(spec: EnvironmentSpec) -> Mapping[str, tuple[NodesSpec, ...]]:
    """Return the accelerated nodes of each queue; of queues without a GPU, none."""
    if spec.slurm is None:
        return {}
    named = {group.name: group for group in spec.slurm.accelerated}
    return {
        queue.name: tuple(
            named.get(name, spec.nodes)
            for name in queue.node_groups
            if name in named or name not in {group.name for group in spec.slurm.cpu}
        )
        for queue in spec.slurm.queues
    }


def _share(
    spec: EnvironmentSpec,
    groups: Mapping[str, tuple[NodesSpec, ...]],
    key: tuple[str, str, str],
    rows: Iterable[tuple[str, int, Decimal]],
) -> Share:
    user, account, queue = key
    nodes = next(iter(groups.get(queue, ())), None)
    price = node_price(spec, nodes) if nodes else Decimal(0)
    rows = list(rows)
    hours = sum((each for _, _, each in rows), Decimal(0))
    lost = sum((each for state, _, each in rows if state in LOST), Decimal(0))
    return Share(
        user,
        account,
        queue,
        sum(jobs for _, jobs, _ in rows),
        hours,
        hours * (nodes.instance.accelerator.count if nodes else 0),
        hours * price,
        lost * price,
    )


def _of(
    nodes: NodesSpec, groups: Mapping[str, tuple[NodesSpec, ...]], used: Mapping[str, Decimal]
) -> Decimal:
    """Return the node hours that jobs had of some nodes, by the first queue group they are in."""
    return sum((used[queue] for queue, of in groups.items() if of and of[0] is nodes), Decimal(0))
