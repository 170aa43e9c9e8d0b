"""Who used what, and what nobody did: as tables and sentences, and as a page."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape
from typing import Final

from ultracluster.style_sheet import html_page
from ultracluster.tables import Column, Rows
from ultracluster.waste.jobs import JobUse
from ultracluster.waste.usage import Usage

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
            f"{share.gpu_hours:,.1f}",
            f"{share.usd:,.0f}",
            f"{share.lost_usd:,.0f}",
        )
    yield rows
    if found.idle_usd:
        yield (
            f"Nobody used {found.idle_gpu_hours:,.0f} GPU hours that are paid for: "
            f"{found.idle_usd:,.0f} USD."
        )
    yield (
        "Lost: jobs that failed, ran out of time or memory, or lost a node; what they had saved is "
        "not taken off."
    )
    if found.jobs:
        yield _of_jobs(found.jobs)
        yield (
            f"Of plan: the job's mean MFU over the planned one; {FAR_BELOW} where it is below "
            f"{BELOW:.0%}. A GPU that waits in a collective counts as used."
        )


def _of_jobs(jobs: Sequence[JobUse]) -> Rows:
    titles = ("GPU hours", "of it idle", "idle share", "of plan")
    rows = Rows(
        [Column("job"), Column("user"), *(Column(title, "number") for title in titles), Column("")],
        title=f"Jobs with the most idle GPU hours{_shown(jobs)}",
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


def _shown(jobs: Sequence[JobUse]) -> str:
    return f": {SHOWN} of {len(jobs)}" if len(jobs) > SHOWN else ""


def page(name: str, since: str, found: Usage) -> str:
    """Return what is told as one HTML file that needs nothing else."""
    title = f"{name}: who used the nodes in {since}"
    body = "".join(
        f"<p>{escape(part)}</p>" if isinstance(part, str) else _html(part)
        for part in parts(name, since, found)
    )
    return html_page(title, body)


def _html(rows: Rows) -> str:
    kinds = [" class=n" if column.kind == "number" else "" for column in rows.columns]
    head = "".join(
        f"<th{kind}>{escape(column.title)}</th>"
        for kind, column in zip(kinds, rows.columns, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)
        )
        + "</tr>"
        for row in rows.rows
    )
    return (
        f"<div class=card><table><caption>{escape(rows.title or '')}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
