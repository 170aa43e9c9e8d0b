"""`rehearse --campaign`: every fault, resumable, side by side."""

import argparse
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.aws import CloudError
from ultracluster.catalogue.prices import on_demand
from ultracluster.command_line import (
    STANDARD_OUTPUT,
    print_result,
    printed_option,
    say,
    write_output,
)
from ultracluster.emulator.process import EmulatorError
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, UsageError
from ultracluster.prove.deployment import StackTemplate, stack_templates
from ultracluster.rehearse.campaign.account import Place
from ultracluster.rehearse.campaign.between import Between
from ultracluster.rehearse.campaign.cycle import BETWEEN, OPERATIONS, Cycle, Record, Row
from ultracluster.rehearse.campaign.page import markdown
from ultracluster.rehearse.cdk import CdkError
from ultracluster.safe_output import console as new_console
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.network import ExistingNetworkSpec
from ultracluster.synthesis import Synthesis

AT_ONCE: Final = 16
"""Resources that share an emulated AWS, one after the other."""
Task = Callable[[], Iterator[Row]]
Heard = Callable[[Row], None]


@dataclass
class Campaign:
    """Every fault of an environment, but for those that a record has already.

    Args:
        spec: the environment.
        assembly: its cloud assembly.
        record: where rows are kept.
        only: regular expression; of `Stack/LogicalId` and `between calls/name` what it is found in.
    """

    spec: EnvironmentSpec
    assembly: Path
    record: Record
    only: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def stacks(self) -> tuple[StackTemplate, ...]:
        """The stacks of the environment."""
        return stack_templates(self.assembly, self.spec.name)

    def run(self, jobs: int, heard: Heard = lambda _: None) -> None:
        """Try what is left, so many at a time; each row is kept as soon as it is there."""
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            lock = threading.Lock()
            running = [pool.submit(self._one, task, lock, heard) for task in self._tasks()]
            try:
                for each in as_completed(running):
                    each.result()
            finally:
                self._stop.set()  # what still waits is not begun

    @property
    def left(self) -> int:
        """How many faults are to be tried."""
        names = [n for stack in self.stacks for n in self._open(stack)]
        return len(names) * len(OPERATIONS) + len(self._between())

    @property
    def names(self) -> list[str]:
        """What `only` is searched in: every resource, and every fault between calls."""
        found = [f"{s.construct_id}/{name}" for s in self.stacks for name in _resources(s)]
        return found + [f"{BETWEEN}/{n}" for n in Between.names(self.spec, self.stacks)]

    def _one(self, task: Task, lock: threading.Lock, heard: Heard) -> None:
        try:
            for row in () if self._stop.is_set() else task():
                with lock:
                    self.record.add(row)
                    heard(row)
                if self._stop.is_set():
                    break
        except BaseException:
            self._stop.set()  # before the next task of this thread begins
            raise

    def _tasks(self) -> Iterator[Task]:
        # What takes longest begins first.
        for name in self._between():
            yield partial(self._try_between, name)
        for stack in self.stacks:
            names = self._open(stack)
            for start in range(0, len(names), AT_ONCE):
                some = names[start : start + AT_ONCE]
                yield partial(self._cycles, stack, some)

    def _open(self, stack: StackTemplate) -> list[str]:
        """Return the resources of a stack that are to be tried still."""
        at, done = stack.construct_id, self.record.done
        return [
            name
            for name in _resources(stack)
            if re.search(self.only, f"{at}/{name}")
            and not all((at, name, each) in done for each in OPERATIONS)
        ]

    def _between(self) -> list[str]:
        done = {row.logical_id for row in self.record.rows if row.stack == BETWEEN}
        return [
            name
            for name in Between.names(self.spec, self.stacks)
            if name not in done and re.search(self.only, f"{BETWEEN}/{name}")
        ]

    def _try_between(self, name: str) -> Iterator[Row]:
        with self._place() as place:
            yield Between(place).run(name)

    def _cycles(self, stack: StackTemplate, names: list[str]) -> Iterator[Row]:
        left, done = list(names), self.record.done
        found = self.spec.price_of(on_demand(self.spec.nodes.instance_type))
        usd = float(found.usd) if found else 0.0
        while left:
            with self._place() as place:
                for before in place.stacks[: place.stacks.index(stack)]:
                    place.create(before)
                # A stack that could not be deleted again is in the way of all that follow.
                while left and not place.exists(stack):
                    rows = Cycle(place, stack, left.pop(0), usd).run()
                    yield from (row for row in rows if row.key not in done)

    def _place(self) -> Place:
        return Place(self.spec, self.assembly, Path(tempfile.mkdtemp(prefix="campaign-")))


def _resources(stack: StackTemplate) -> Iterator[str]:
    for name, each in stack.template["Resources"].items():
        if each["Type"] != "AWS::CDK::Metadata":
            yield name


def digest(assembly: Path, environment: str) -> str:
    """Return what the templates of an environment are told by."""
    texts = [str(stack.template) for stack in stack_templates(assembly, environment)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def run(
    arguments: argparse.Namespace, spec: EnvironmentSpec, path: Path | None, console: Console
) -> int:
    """Try every fault that the record does not have yet; print the table of all."""
    if isinstance(spec.network, ExistingNetworkSpec):
        raise UsageError(
            f"{spec.name} is in a VPC of yours, which each emulated AWS would have by another id; "
            "give a campaign an environment that makes its own network"
        )
    printed_option({"--page": arguments.page}, as_json=arguments.json)
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
    page, printed = markdown(spec.name, rows), str(arguments.page) == STANDARD_OUTPUT
    if arguments.page and not printed:
        with suppress(OSError):  # what is wrong with the folder is wrong with the file
            arguments.page.parent.mkdir(parents=True, exist_ok=True)
        write_output(arguments.page, page, "--page")
    document = {"environment": spec.name, "emulated": True, "rows": [*map(asdict, rows)]}
    print_result(console, document, page, as_json=arguments.json)
    return SOME_FAIL if any(row.problems for row in rows) else ALL_WELL


def _hear(console: Console, row: Row) -> None:
    sign = "✗" if row.problems else "✓" if row.ended else "-"
    end = "; ".join(row.problems) or row.ended or row.note
    words = " ".join(filter(None, (sign, row.operation, f"{row.stack}/{row.logical_id}", end)))
    say(console, words)
