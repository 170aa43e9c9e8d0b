"""The command `ultracluster waste`, with its tables and its page."""

import argparse
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ultracluster.aws import Account
from ultracluster.command_line import (
    add_environment,
    add_format,
    print_json,
    printed_option,
    progress,
    say,
    write_output,
)
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, UsageError
from ultracluster.prometheus import source
from ultracluster.style_sheet import html_page
from ultracluster.tables import Column, Rows
from ultracluster.train.slurm_jobs import LoginNode
from ultracluster.waste.usage import QUESTION, JobUse, Usage, usage, uses

UNITS: Final = {"h": ("hours", 1), "d": ("days", 24), "w": ("weeks", 168)}
SINCE: Final = re.compile(r"([1-9]\d{0,3})([hdw])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    parser.add_argument(
        "--since", default="7d", metavar="TIME", help="period to report, such as 12h, 7d or 4w (7d)"
    )
    parser.add_argument(
        "--metrics",
        metavar="URL",
        help="also show each job's idle GPUs, by metrics of cloudwatch or of a Prometheus URL",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write an HTML page")
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Ask a login node for Slurm's accounting, and print who used what and what nobody did."""
    given = SINCE.fullmatch(arguments.since)
    if given is None:
        raise UsageError(f"--since {arguments.since}: write a number and h, d or w, such as 7d")
    unit, hours = UNITS[given[2]]
    printed = printed_option({"--html": arguments.html}, as_json=arguments.json)
    spec, _ = find(arguments.environment)
    if arguments.metrics and spec.observability is None:
        raise UsageError(f"{spec.name}: its nodes have no metrics; leave --metrics out")
    if spec.slurm is None or spec.slurm.accounting_days is None:
        raise UsageError(
            f"{spec.name}: it has no accounting of Slurm, which knows who ran what; write "
            "slurm=SlurmSpec(accounting_days=365)"
        )
    node = LoginNode(Account(spec.region, account=spec.account), spec.name, spec.region, "root")
    text = node.run(QUESTION, f"{given[1]}{unit}")
    looked_at = Decimal(given[1]) * hours
    found = usage(spec, text, looked_at)
    if arguments.metrics and spec.observability:
        asked = source(arguments.metrics, spec.region, spec.account)
        with progress(f"asking {asked.name}"):
            until, seconds = time.time(), int(looked_at * 3600)
            jobs = uses(asked, spec.name, until, seconds, spec.observability.every_seconds)
        found = replace(found, jobs=jobs)
    if arguments.html:
        write_output(arguments.html, page(spec.name, arguments.since, found), "--html")
    if arguments.json:
        print_json({"environment": spec.name, **asdict(found, dict_factory=_numbers)})
    if printed:
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
        name: round(float(value), 4) if isinstance(value, Decimal) else value
        for name, value in rows
    }


SHOWN: Final = 20
"""Jobs in the table; JSON has all."""
BELOW: Final = Decimal("0.8")
"""Of the planned MFU; the alarm `job-below-plan` has the same."""
FAR_BELOW: Final = "below plan"


def parts(name: str, since: str, found: Usage) -> Iterator[Rows | str]:
    """Yield what is told, in its order: tables, and sentences between them."""
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
            f"{share.gpu_hours:,.1f}" if share.gpu_hours or not share.node_hours else "-",
            f"{share.usd:,.0f}",
            f"{share.lost_usd:,.0f}",
        )
    yield rows
    if found.idle_usd:
        what = f"{found.idle_gpu_hours:,.0f} GPU hours" if found.idle_gpu_hours else "nodes"
        yield f"Nobody used {what} that are paid for: {found.idle_usd:,.0f} USD."
    yield (
        "Lost: runs that failed, ran out of time or memory, lost a node or were requeued; what "
        "they had saved is not taken off."
    )
    if found.jobs:
        yield _of_jobs(found.jobs)
        yield (
            f"Of plan: the job's mean MFU over the planned one; {FAR_BELOW} where it is below "
            f"{BELOW:.0%}. A GPU that waits in a collective counts as used."
        )


def _of_jobs(jobs: Sequence[JobUse]) -> Rows:
    titles = ("GPU hours", "of it idle", "idle share", "of plan")
    shown = f": {SHOWN} of {len(jobs)}" if len(jobs) > SHOWN else ""
    rows = Rows(
        [
            Column("job"),
            Column("user"),
            *(Column(title, "number") for title in titles),
            Column("note"),
        ],
        title=f"Jobs with the most idle GPU hours{shown}",
    )
    for job in jobs[:SHOWN]:
        below = job.of_plan is not None and job.of_plan < BELOW
        rows.add(
            job.job,
            job.user,
            f"{job.gpu_hours:,.1f}",
            f"{job.idle_gpu_hours:,.1f}",
            f"{job.idle_gpu_hours / job.gpu_hours:.0%}" if job.gpu_hours else "-",
            "-" if job.of_plan is None else f"{job.of_plan:.0%}",
            FAR_BELOW if below else "",
        )
    return rows


def page(name: str, since: str, found: Usage) -> str:
    """Return what is told as one HTML file that needs nothing else."""
    title = f"{name}: who used the nodes in {since}"
    body = "".join(
        f"<p>{escape(part)}</p>" if isinstance(part, str) else _html(part)
        for part in parts(name, since, found)
    )
    return html_page(title, body)


def _html(rows: Rows) -> str:
    marks = [" class=n" if column.kind == "number" else "" for column in rows.columns]
    title = escape(rows.title or "")

    def row(tag: str, cells: Iterable[object], scope: str = "") -> str:
        told = zip(marks, map(str, cells), strict=True)
        found = (f"<{tag}{scope}{mark}>{escape(text)}</{tag}>" for mark, text in told)
        return f"<tr>{''.join(found)}</tr>"

    head = row("th", (column.title for column in rows.columns), " scope=col")
    body = "".join(row("td", cells) for cells in rows.rows)
    return (
        f'<div class=card role=region tabindex=0 aria-label="{title}"><table><caption>{title}'
        f"</caption><thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )
