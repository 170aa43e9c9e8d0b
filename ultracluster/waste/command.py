"""The console command.

ultracluster waste ENVIRONMENT [--since 7d] [--format json]
"""

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from rich.console import Console

from ultracluster.aws import Account
from ultracluster.catalogue import prices
from ultracluster.command_line import add_environment, add_format, print_json, progress, say
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, UsageError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.nodes import NodesSpec
from ultracluster.tables import Column, Rows
from ultracluster.train.slurm_jobs import LoginNode

QUESTION: Final = """
set -o pipefail
sacct -a -X -n -P --truncate --starttime="now-$1" --endtime=now \\
  --format=User,Account,Partition,State,ElapsedRaw,NNodes |
  awk -F '|' '{
    sub(/ by .*/, "", $4)
    key = $1 "|" $2 "|" $3 "|" $4
    jobs[key]++
    seconds[key] += $5 * $6
  } END { for (key in jobs) print key "|" jobs[key] "|" seconds[key] }'
"""
"""Asked on a login node, and summed up there: Run Command returns 24,000 characters at most."""
LOST: Final = (
    *("FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED"),
)
"""States of jobs whose time bought nothing but what they had saved."""
SECONDS: Final = Decimal(3600)


@dataclass(frozen=True)
class Share:
    """What one user had of one queue, charged to one account."""

    user: str
    account: str
    queue: str
    jobs: int
    node_hours: Decimal
    gpu_hours: Decimal
    usd: Decimal
    lost_usd: Decimal
    """Of it for jobs that failed, ran out of time or memory, or lost a node."""


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


def usage(spec: EnvironmentSpec, text: str, hours: Decimal) -> Usage:
    """Return what the answer to `QUESTION` means for an environment.

    Raises:
        UsageError: where a line is no answer to it.
    """
    groups = _groups(spec)
    found: dict[tuple[str, str, str], list[tuple[str, int, Decimal]]] = {}
    for line in text.splitlines():
        user, account, queue, state, jobs, seconds = _cells(line)
        row = (state, int(jobs), Decimal(seconds) / SECONDS)
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
    """Return what an hour of one node costs, by the environment's own cost sheet; 0 if unknown."""
    bought = prices.on_demand if nodes.capacity_block is None else prices.capacity_block
    item = bought(nodes.instance_type)
    lines = (each for each in spec.cost_sheet().lines if each.quantity.item == item)
    return next((line.price.usd for line in lines), Decimal(0))


def _cells(line: str) -> list[str]:
    cells = line.split("|")
    if len(cells) != 6 or not cells[4].isdigit():  # noqa: PLR2004 - as QUESTION prints them
        raise UsageError(f"the login node answered {line[:80]!r}, which is no row of sacct's")
    return cells


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


UNITS: Final = {"h": ("hours", 1), "d": ("days", 24), "w": ("weeks", 168)}
SINCE: Final = re.compile(r"([1-9]\d{0,3})([hdw])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_environment(parser)
    parser.add_argument(
        "--since", default="7d", metavar="TIME", help="how far back, as 12h, 7d or 4w (7d)"
    )
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Ask a login node for Slurm's accounting, and print who used what and what nobody did."""
    given = SINCE.fullmatch(arguments.since)
    if given is None:
        raise UsageError(f"--since {arguments.since}: write a number and h, d or w, such as 7d")
    unit, hours = UNITS[given[2]]
    spec, _ = find(arguments.environment)
    if spec.slurm is None or spec.slurm.accounting_days is None:
        raise UsageError(
            f"{spec.name}: it has no accounting of Slurm, which knows who ran what; write "
            "slurm=SlurmSpec(accounting_days=365)"
        )
    node = LoginNode(Account(spec.region, account=spec.account), spec.name, spec.region, "root")
    with progress("asking a login node"):
        text = node.run(QUESTION, f"{given[1]}{unit}")
    found = usage(spec, text, Decimal(given[1]) * hours)
    if arguments.json:
        print_json({"environment": spec.name, **asdict(found, dict_factory=_numbers)})
    else:
        show(spec.name, arguments.since, found, console)
    return ALL_WELL


def show(name: str, since: str, found: Usage, console: Console) -> None:
    """Print the table of shares, and what nobody used."""
    titles = ("jobs", "node hours", "GPU hours", "USD", "of it lost")
    names = map(Column, ("user", "account", "queue"))
    columns = [*names, *(Column(title, "number") for title in titles)]
    rows = Rows(columns, title=f"{name}: who used the nodes in {since}")
    for share in found.shares:
        rows.add(
            share.user,
            share.account,
            share.queue,
            f"{share.jobs:,}",
            f"{share.node_hours:,.1f}",
            f"{share.gpu_hours:,.1f}",
            f"{share.usd:,.0f}",
            f"{share.lost_usd:,.0f}",
        )
    console.print(rows)
    if found.idle_usd:
        hours, usd = f"{found.idle_gpu_hours:,.0f}", f"{found.idle_usd:,.0f}"
        say(console, f"Nobody used {hours} GPU hours that are paid for: {usd} USD.")
    lost = "Lost: jobs that failed, ran out of time or memory, or lost a node"
    say(console, f"{lost}; what they had saved is not taken off.")


def _numbers(rows: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dataclass as a dictionary, with numbers for JSON in place of decimals."""
    return {
        name: float(round(value, 4)) if isinstance(value, Decimal) else value
        for name, value in rows
    }
