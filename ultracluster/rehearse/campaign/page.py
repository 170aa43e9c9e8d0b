"""The tables of a campaign, as a page in Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from ultracluster.rehearse.campaign.cycle import BETWEEN, OPERATIONS, Row

COLUMNS: Final = ("stack", "type", "resources", *OPERATIONS, "s", "node-min", "USD", "problems")
OF_NONE: Final = ("fault", "ended", "again", "s", "what it shows", "problems")
INTRODUCTION: Final = """\
Written by `ultracluster rehearse --campaign --page` against the emulated AWS. Each resource fails
once to be created, once to be changed and once to be deleted. After each failure the operation is
repeated without a fault, and the services are asked for what is left. `as it must` is: a creation
ends in ROLLBACK_COMPLETE, an update in UPDATE_ROLLBACK_COMPLETE, a deletion in DELETE_FAILED, with
the reason; the repetition in CREATE_, UPDATE_ or DELETE_COMPLETE, and nothing is left that no
deletion policy keeps. Times and money are of the emulated clock: AWS takes longer."""
AS_IT_MUST: Final = (
    ("ROLLBACK_COMPLETE", "CREATE_COMPLETE"),
    ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE"),
    ("DELETE_FAILED", "DELETE_COMPLETE"),
)


def by_type(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Return a line for each type of each stack, and how many of its faults ended in which way."""
    of_resources = [row for row in rows if row.stack != BETWEEN]
    ordered = sorted(of_resources, key=lambda row: (row.stack, row.kind))
    return [_line(list(each)) for _, each in groupby(ordered, lambda row: (row.stack, row.kind))]


def _line(rows: list[Row]) -> tuple[str, ...]:
    ends = [_ends([row for row in rows if row.operation == each]) for each in OPERATIONS]
    minutes, usd = sum(row.node_minutes for row in rows), sum(row.usd for row in rows)
    return (
        rows[0].stack,
        rows[0].kind,
        str(len({row.logical_id for row in rows})),
        *ends,
        f"{sum(row.seconds for row in rows):.0f}",
        *((f"{minutes:.1f}", f"{usd:.2f}") if minutes else ("", "")),
        str(sum(len(row.problems) for row in rows) or "none"),
    )


def _ends(rows: list[Row]) -> str:
    """Return how faults of one operation ended, and how its repetition did."""
    said = [row.note or _end(row) for row in rows]
    counts = [(each, said.count(each)) for each in dict.fromkeys(said)]
    return "; ".join(each if len(counts) == 1 else f"{count} {each}" for each, count in counts)


def _end(row: Row) -> str:
    end = (row.ended, row.retried)
    return "as it must" if end in AS_IT_MUST and not row.problems else ", then ".join(end)


def between(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Return a line for each fault that is of no resource."""
    return [
        (row.logical_id, row.ended, row.retried, f"{row.seconds:.0f}", row.note, row.wrong)
        for row in sorted(rows, key=lambda row: row.logical_id)
        if row.stack == BETWEEN
    ]


def summary(rows: Sequence[Row]) -> str:
    wrong = sum(bool(row.problems) for row in rows)
    untried = sum(not row.ended for row in rows)
    usd, minutes = sum(row.usd for row in rows), sum(row.seconds for row in rows) / 60
    return (
        f"{len(rows) - untried} faults, of which {wrong} ended otherwise than they must; "
        f"{untried} that no template can have; {minutes:.1f} minutes, "
        f"and {usd:,.2f} USD of reserved capacity"
    )


def markdown(environment: str, rows: Sequence[Row]) -> str:
    """Return the page of an environment, as the command writes it."""
    wrong = [row for row in rows if row.problems]
    parts = [
        f"# Campaign of faults: {environment}\n",
        f"{INTRODUCTION}\n",
        f"{summary(rows)}.\n",
        *_rows(COLUMNS, by_type(rows)),
        "\n## Between calls\n",
        *_rows(OF_NONE, between(rows)),
        *(["\n## What ended otherwise than it must\n"] if wrong else []),
        *(f"* {row.stack}/{row.logical_id} ({row.operation}): {row.wrong}" for row in wrong),
    ]
    return "\n".join(parts) + "\n"


def _rows(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for line in lines:
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in line)
        yield f"| {' | '.join(cells)} |"
