"""The console command.

ultracluster waste ENVIRONMENT [--since 7d] [--metrics URL] [--html FILE] [--format json]
"""

import argparse
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ultracluster.aws import Account
from ultracluster.command_line import (
    add_environment,
    add_format,
    print_json,
    progress,
    say,
    write_output,
)
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, UsageError
from ultracluster.prometheus import source
from ultracluster.train.slurm_jobs import LoginNode
from ultracluster.waste.jobs import uses
from ultracluster.waste.told import page, parts
from ultracluster.waste.usage import QUESTION, usage

UNITS: Final = {"h": ("hours", 1), "d": ("days", 24), "w": ("weeks", 168)}
SINCE: Final = re.compile(r"([1-9]\d{0,3})([hdw])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    parser.add_argument(
        "--since", default="7d", metavar="TIME", help="how far back, as 12h, 7d or 4w (7d)"
    )
    parser.add_argument(
        "--metrics",
        metavar="URL",
        help="the nodes' measurements as well, of cloudwatch or a Prometheus: each job's idle GPUs",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page as well")
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Ask a login node for Slurm's accounting, and print who used what and what nobody did."""
    given = SINCE.fullmatch(arguments.since)
    if given is None:
        raise UsageError(f"--since {arguments.since}: write a number and h, d or w, such as 7d")
    unit, hours = UNITS[given[2]]
    spec, _ = find(arguments.environment)
    if arguments.metrics and spec.observability is None:
        raise UsageError(
            f"{spec.name}: its nodes measure nothing (observability=None); leave --metrics out"
        )
    if spec.slurm is None or spec.slurm.accounting_days is None:
        raise UsageError(
            f"{spec.name}: it has no accounting of Slurm, which knows who ran what; write "
            "slurm=SlurmSpec(accounting_days=365)"
        )
    node = LoginNode(Account(spec.region, account=spec.account), spec.name, spec.region, "root")
    with progress("asking a login node"):
        text = node.run(QUESTION, f"{given[1]}{unit}")
    looked_at = Decimal(given[1]) * hours
    found = usage(spec, text, looked_at)
    if arguments.metrics and spec.observability:
        asked = source(arguments.metrics, spec.region, spec.account)
        with progress(f"asking {asked.name}"):
            jobs = uses(
                asked,
                spec.name,
                time.time(),
                int(looked_at * 3600),
                spec.observability.every_seconds,
            )
        found = replace(found, jobs=jobs)
    if arguments.html:
        write_output(arguments.html, page(spec.name, arguments.since, found), "--html")
    if arguments.json:
        print_json({"environment": spec.name, **asdict(found, dict_factory=_numbers)})
        return ALL_WELL
    for part in parts(spec.name, arguments.since, found):
        if isinstance(part, str):
            say(console, part)
        else:
            console.print(part)
    return ALL_WELL


def _numbers(rows: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dataclass as a dictionary, with numbers for JSON in place of decimals."""
    return {
        name: float(round(value, 4)) if isinstance(value, Decimal) else value
        for name, value in rows
    }
