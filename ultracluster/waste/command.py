"""The console command.

ultracluster waste ENVIRONMENT [--since 7d] [--format json]
"""

import argparse
import re
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from ultracluster.command_line import add_environment, add_format, print_json, progress, say
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, UsageError

if TYPE_CHECKING:
    from ultracluster.waste.usage import Usage

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
    from ultracluster.aws import Account  # noqa: PLC0415
    from ultracluster.train.slurm_jobs import LoginNode  # noqa: PLC0415
    from ultracluster.waste.usage import QUESTION, usage  # noqa: PLC0415

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
    node = LoginNode(Account(spec.region), spec.name, spec.region, "root")
    with progress("asking a login node"):
        text = node.run(QUESTION, f"{given[1]}{unit}")
    found = usage(spec, text, Decimal(given[1]) * hours)
    if arguments.json:
        print_json({"environment": spec.name, **_numbers(asdict(found))})
        return ALL_WELL
    show(spec.name, arguments.since, found, console)
    return ALL_WELL


def show(name: str, since: str, found: "Usage", console: Console) -> None:
    """Print the table of shares, and what nobody used."""
    from ultracluster.tables import Column, Rows  # noqa: PLC0415

    titles = ("jobs", "node hours", "GPU hours", "USD", "of it lost")
    names = [Column(title) for title in ("user", "account", "queue")]
    rows = Rows(
        [*names, *(Column(title, "number") for title in titles)],
        title=f"{name}: who used the nodes in {since}",
    )
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
        say(
            console,
            f"Nobody used {found.idle_gpu_hours:,.0f} GPU hours that are paid for: "
            f"{found.idle_usd:,.0f} USD.",
        )
    say(
        console,
        "Lost: jobs that failed, ran out of time or memory, or lost a node; what they had saved is "
        "not taken off.",
    )


def _numbers(value: Any) -> Any:
    """Return a value with numbers for JSON in place of decimals."""
    if isinstance(value, Decimal):
        return float(round(value, 4))
    if isinstance(value, dict):
        return {key: _numbers(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(each) for each in value]
    return value
