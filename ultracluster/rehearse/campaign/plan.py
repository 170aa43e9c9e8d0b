"""Which faults a campaign has, and in what order and company they are tried."""

import hashlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from ultracluster.catalogue import prices
from ultracluster.prove.deployment import StackTemplate, stack_templates
from ultracluster.rehearse.campaign.account import Place
from ultracluster.rehearse.campaign.between import Between
from ultracluster.rehearse.campaign.cycle import BETWEEN, OPERATIONS, Cycle, Record, Row
from ultracluster.spec.environment import EnvironmentSpec

AT_ONCE: Final = 16
"""Resources that share an emulated AWS, one after the other."""
NO_RESOURCE: Final = "AWS::CDK::Metadata"
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

    def run(self, jobs: int, heard: Heard = lambda _: None) -> None:
        """Try what is left, so many at a time; each row is kept as soon as it is there."""
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            lock = threading.Lock()
            running = [pool.submit(self._one, task, lock, heard) for task in self._tasks()]
            try:
                for each in as_completed(running):
                    each.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    @property
    def left(self) -> int:
        """How many faults are to be tried."""
        names = [n for stack in self._stacks() for n in self._open(stack)]
        return len(names) * len(OPERATIONS) + len(self._between())

    @property
    def names(self) -> list[str]:
        """What `only` is searched in: every resource, and every fault between calls."""
        of_resources = [
            f"{stack.construct_id}/{name}"
            for stack in self._stacks()
            for name, each in stack.template["Resources"].items()
            if each["Type"] != NO_RESOURCE
        ]
        between = Between.names(self.spec, self._stacks())
        return [*of_resources, *(f"{BETWEEN}/{name}" for name in between)]

    def _one(self, task: Task, lock: threading.Lock, heard: Heard) -> None:
        for row in task():
            with lock:
                self.record.add(row)
                heard(row)
            if self._stop.is_set():
                return

    def _tasks(self) -> Iterator[Task]:
        # What takes longest begins first.
        for name in self._between():
            yield partial(self._try_between, name)
        for stack in self._stacks():
            names = self._open(stack)
            for start in range(0, len(names), AT_ONCE):
                some = names[start : start + AT_ONCE]
                yield partial(self._cycles, stack, some)

    def _stacks(self) -> tuple[StackTemplate, ...]:
        return stack_templates(self.assembly, self.spec.name)

    def _open(self, stack: StackTemplate) -> list[str]:
        """Return the resources of a stack that are to be tried still."""
        done = self.record.done
        return [
            name
            for name, each in stack.template["Resources"].items()
            if each["Type"] != NO_RESOURCE
            and re.search(self.only, f"{stack.construct_id}/{name}")
            and not all((stack.construct_id, name, each) in done for each in OPERATIONS)
        ]

    def _between(self) -> list[str]:
        done = {row.logical_id for row in self.record.rows if row.stack == BETWEEN}
        return [
            name
            for name in Between.names(self.spec, self._stacks())
            if name not in done and re.search(self.only, f"{BETWEEN}/{name}")
        ]

    def _try_between(self, name: str) -> Iterator[Row]:
        with self._place() as place:
            yield Between(place).run(name)

    def _cycles(self, stack: StackTemplate, names: list[str]) -> Iterator[Row]:
        left, done = list(names), self.record.done
        found = prices.price(prices.on_demand(self.spec.nodes.instance_type), self.spec.region)
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


def digest(assembly: Path, environment: str) -> str:
    """Return what the templates of an environment are told by."""
    texts = [str(stack.template) for stack in stack_templates(assembly, environment)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
