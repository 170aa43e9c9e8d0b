"""`rehearse --campaign`: every fault, resumable, side by side; its tables, in Markdown."""

import argparse
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.aws import CloudError
from ultracluster.command_line import print_json, say, write_output
from ultracluster.emulator.process import EmulatorError
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, UsageError
from ultracluster.rehearse.campaign.cycle import BETWEEN, OPERATIONS, Record, Row
from ultracluster.rehearse.campaign.plan import Campaign, digest
from ultracluster.rehearse.cdk import CdkError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.network import ExistingNetworkSpec
from ultracluster.synthesis import Synthesis
from ultracluster.visible import console as new_console


def run(
    arguments: argparse.Namespace, spec: EnvironmentSpec, path: Path | None, console: Console
) -> int:
    """Try every fault that the record does not have yet; print the table of all."""
    if isinstance(spec.network, ExistingNetworkSpec):
        raise UsageError(
            f"{spec.name} is in a VPC of yours, which each emulated AWS would have by another id; "
            "give a campaign an environment that makes its own network"
        )
    shown = new_console(stderr=True) if arguments.json else console
    with Synthesis(spec, path) as synthesis:
        assembly = synthesis.stage().parent
        file = arguments.record or Path("build", "campaign", f"{spec.name}.jsonl")
        record = Record(file, digest(assembly, spec.name))
        campaign = Campaign(spec, assembly, record, arguments.only or "")
        if not any(re.search(campaign.only, name) for name in campaign.names):
            raise UsageError(
                f"--only {campaign.only}: no fault of {spec.name} has this in its name; names are "
                f"such as {campaign.names[0]} and {campaign.names[-1]}"
            )
        say(shown, f"{spec.name}: {campaign.left} faults to try, {len(record.rows)} in {file}")
        try:
            campaign.run(arguments.jobs or os.cpu_count() or 1, lambda row: _hear(shown, row))
        except (CloudError, CdkError, EmulatorError) as error:
            say(shown, f"The campaign ended early, and goes on where it is started again: {error}")
            return COULD_NOT_RUN
    return _told(arguments, spec, record.rows, console)


def _told(
    arguments: argparse.Namespace, spec: EnvironmentSpec, rows: list[Row], console: Console
) -> int:
    page = markdown(spec.name, rows)
    if arguments.page:
        with suppress(OSError):  # what is wrong with the folder is wrong with the file
            arguments.page.parent.mkdir(parents=True, exist_ok=True)
        write_output(arguments.page, page, "--page")
    if arguments.json:
        print_json({"environment": spec.name, "emulated": True, "rows": [*map(asdict, rows)]})
    else:
        say(console, page)
    return SOME_FAIL if any(row.problems for row in rows) else ALL_WELL


def _hear(console: Console, row: Row) -> None:
    sign = "✗" if row.problems else "✓" if row.ended else "-"
    end = "; ".join(row.problems) or row.ended or row.note
    words = " ".join(filter(None, (sign, row.operation, f"{row.stack}/{row.logical_id}", end)))
    say(console, words)


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
    ]
    if wrong:
        parts += ["\n## What ended otherwise than it must\n"]
        parts += [f"* {row.stack}/{row.logical_id} ({row.operation}): {row.wrong}" for row in wrong]
    return "\n".join(parts) + "\n"


def _rows(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    yield from (f"| {' | '.join(line)} |" for line in lines)
