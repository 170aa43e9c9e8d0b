"""`rehearse --campaign`: every fault of an environment, resumable, side by side."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from ultracluster.aws import CloudError
from ultracluster.command_line import print_json
from ultracluster.emulator.process import EmulatorError
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, UsageError
from ultracluster.rehearse.campaign.page import markdown
from ultracluster.rehearse.campaign.plan import Campaign, digest
from ultracluster.rehearse.campaign.row import Record, Row
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
    said = new_console(stderr=True) if arguments.json else console
    with Synthesis(spec, path) as synthesis:
        assembly = synthesis.stage().parent
        file = arguments.record or Path("build", "campaign", f"{spec.name}.jsonl")
        record = Record(file, digest(assembly, spec.name))
        campaign = Campaign(spec, assembly, record, arguments.only or "")
        _say(said, f"{spec.name}: {campaign.left} faults to try, {len(record.rows)} in {file}")
        try:
            campaign.run(arguments.jobs or os.cpu_count() or 1, lambda row: _hear(said, row))
        except (CloudError, CdkError, EmulatorError) as error:
            _say(said, f"The campaign ended early, and goes on where it is started again: {error}")
            return COULD_NOT_RUN
    return _told(arguments, spec, record.rows, console)


def _told(
    arguments: argparse.Namespace, spec: EnvironmentSpec, rows: list[Row], console: Console
) -> int:
    page = markdown(spec.name, rows)
    if arguments.page:
        arguments.page.parent.mkdir(parents=True, exist_ok=True)
        arguments.page.write_text(page)
    if arguments.json:
        print_json({"environment": spec.name, "emulated": True, "rows": [*map(asdict, rows)]})
    else:
        _say(console, page)
    return SOME_FAIL if any(row.problems for row in rows) else ALL_WELL


def _hear(console: Console, row: Row) -> None:
    sign = "✗" if row.problems else "✓" if row.ended else "-"
    end = "; ".join(row.problems) or row.ended or row.note
    words = " ".join(filter(None, (sign, row.operation, f"{row.stack}/{row.logical_id}", end)))
    _say(console, words)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
