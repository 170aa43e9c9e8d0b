"""What one rank finds wrong ends all of them; who failed first says so, the others nothing.

Ranks tell each other of their end through the store that they met by. A rank whose collective fails
because another rank has gone waits for what that one says of itself. Where it says nothing, because
it was killed or its node is gone, a call goes out that a thread of every living rank answers, also
of one whose collective waits: who does not answer is missing. A rank that still waits for a
collective long after a failure is known ends as well.
"""

import contextlib
import json
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch.distributed as dist

from training.launch.contract import FAILED, accuse, node_name
from training.mesh import Launch
from training.problems import NodeError, UserError, first_line
from training.record import FILE, now, say

if TYPE_CHECKING:
    from training.metrics import Metrics

Result = TypeVar("Result")

PATIENCE_SECONDS: Final = 30.0
"""How long a rank may stay in a collective once it is known that a rank failed."""
RANKS_A_SECOND: Final = 1000
"""How many ranks ask the store, at most, in a second: it is one process."""
FIRST, CALLED, HERE, NODE, RECORDED = "first", "called", "here", "node", "recorded"
LEFT: Final = "left"
GONE: Final = "it ended without a word: it was killed, or its node is gone"
HANGS: Final = "it does not answer: it hangs, or its node does"
OF_NODE: Final = re.compile(rf"{GONE}|{HANGS}|ECC|uncorrectable|NVLink|launch failure|is lost")
"""What a rank says where its node is at fault, and not the program: the next start is elsewhere."""
OF_PEERS: Final = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|timed? ?out|remote process|NCCL error|"
    r"unhandled system error|aborted",
    re.IGNORECASE,
)
"""What a collective says when another rank is at fault (gloo's and NCCL's own words)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a rank ended."""

    rank: int
    node: str
    time: str
    error: str

    def __str__(self) -> str:
        return f"rank {self.rank} on {self.node} failed first, at {self.time}: {self.error}"

    def values(self) -> dict[str, Any]:
        """Return its line in the record of the run."""
        rest = asdict(self)
        return {"event": "failed", "text": str(self), "failed_at": rest.pop("time"), **rest}


class Witness:
    """What one rank knows of the others' end. Made once the ranks have met."""

    def __init__(self, launch: Launch) -> None:
        self.launch, self.node = launch, node_name()
        store = dist.distributed_c10d._get_default_store()  # noqa: SLF001 - no public way to it
        self.store = dist.PrefixStore("failures", store)  # type: ignore[attr-defined] # not in its stub
        self.store.set(f"{NODE}/{launch.rank}", self.node)
        self.pause = max(1.0, launch.world / RANKS_A_SECOND)
        self.grace = 2 * self.pause + 2.0
        """Seconds in which every living rank has answered a call."""
        self.metrics: Metrics | None = None
        """This rank's, as soon as there are any."""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        if launch.world > 1:
            self.thread.start()

    def close(self) -> None:
        """Stop listening, at the end of a run that did not fail; rank 0 is the last to go.

        Its process is the store, and ranks that talk for the first time, in the last collective
        perhaps, find each other there.
        """
        self.over.set()
        with contextlib.suppress(RuntimeError, OSError):
            left = self.store.add(LEFT, 1)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while self.launch.rank == 0 and left < self.launch.world:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.05)
                left = self.store.add(LEFT, 0)

    def _listen(self) -> None:
        """Answer calls, and end a rank whose collective waits for one that has failed."""
        known: float | None = None
        with contextlib.suppress(RuntimeError, OSError):
            while not self.over.wait(self.pause):
                if self.store.check([CALLED]):
                    self.store.set(f"{HERE}/{self.launch.rank}", "")
                if self.store.check([FIRST]):
                    known = known or time.monotonic()
                    if time.monotonic() - known > PATIENCE_SECONDS:
                        first = Failure(**json.loads(self.store.get(FIRST)))
                        self.record(first, None, speaks=False)
                        os._exit(FAILED)

    def testify(self, error: BaseException) -> tuple[Failure, bool]:
        """Say that this rank failed, if no other did before.

        Returns:
            The first failure of the run, and whether this rank is the one that speaks of it.
        """
        mine = Failure(self.launch.rank, self.node, now(), first_line(error))
        try:
            first, speaks = self._agreed(mine, by_others=of_peers(error))
        except (RuntimeError, OSError):
            # The store was the process of rank 0, unless an agent such as torchrun keeps it.
            first = Failure(0, os.environ.get("MASTER_ADDR", self.node), now(), GONE)
            if self.launch.rank == 0 or not of_peers(error):
                first = mine
            # One rank of each node, for nobody knows which nodes are left.
            speaker = int(self.launch.rank < self.launch.local_world)
            speaks = first is mine or self.launch.local_rank == speaker
        if speaks:
            say(f"FAILED {first}", sys.stderr)
            if OF_NODE.search(first.error):
                accuse(first.node)
            if first.rank == mine.rank and not isinstance(error, UserError):
                say("".join(traceback.format_exception(error)).rstrip(), sys.stderr)
        return first, speaks

    def _agreed(self, mine: Failure, *, by_others: bool) -> tuple[Failure, bool]:
        """Return who failed first, and whether it is this rank that says so."""
        self.over.set()
        self.store.set(f"{HERE}/{mine.rank}", "")
        if by_others and not self._await(FIRST):
            self.store.set(CALLED, "")
            mine = mine if self._await(FIRST) else self._missing(mine)
        text = json.dumps(asdict(mine))
        first = Failure(**json.loads(self.store.compare_set(FIRST, "", text)))
        if first != mine and not by_others:
            say(f"rank {mine.rank} on {mine.node} failed as well: {mine.error}", sys.stderr)
        return first, first == mine

    def _missing(self, mine: Failure) -> Failure:
        """Return the first rank that has not answered, or this one where all have."""
        for rank in range(self.launch.world):
            if not self.store.check([f"{HERE}/{rank}"]):
                known = self.store.check([f"{NODE}/{rank}"])
                node = self.store.get(f"{NODE}/{rank}").decode() if known else "an unknown node"
                waited = "timed out" in mine.error.lower()
                return Failure(rank, node, mine.time, HANGS if waited else GONE)
        return mine

    def record(self, first: Failure, folder: str | None, *, speaks: bool) -> None:
        """Write the failure into the record of the run: rank 0 does, or who speaks in its place.

        Args:
            first: What `testify` returned.
            folder: `run.path`.
            speaks: Whether this rank speaks of it.
        """
        values = first.values()
        if self.metrics is not None and self.metrics.record is not None:
            self.metrics.record.write(values)
            self.metrics.sync()
            with contextlib.suppress(RuntimeError, OSError):
                self.store.set(RECORDED, "")
        elif speaks and folder and not self._await(RECORDED):
            append(Path(folder) / FILE, values)
        if self.launch.rank == 0 and self.launch.world > 1:
            # The store in which the others read of it is this process.
            time.sleep(self.grace)

    def _await(self, key: str) -> bool:
        """Wait some seconds until somebody has said something, and return whether they have."""
        with contextlib.suppress(RuntimeError, OSError):
            deadline = time.monotonic() + self.grace
            while time.monotonic() < deadline:
                if self.store.check([key]):
                    return True
                time.sleep(0.1)
        return False


def append(file: Path, values: dict[str, Any]) -> None:
    """Append a line to a record that is there; on other nodes' own disks there is none."""
    with contextlib.suppress(OSError):
        handle = os.open(file, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, json.dumps({"time": now(), **values}).encode() + b"\n")
        finally:
            os.close(handle)


def of_peers(error: BaseException) -> bool:
    """Whether a rank ends only because another one has."""
    if isinstance(error, UserError) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, dist.DistError) or OF_PEERS.search(str(error)) is not None


def everywhere(action: Callable[[], Result], *, by_all: bool = True) -> Result:
    """Do something on every rank; what is wrong on any of them is raised on all of them.

    Where it is not done `by_all`, only rank 0 does anything, or each rank a part of its own: what
    one of them finds then says nothing of its node, unless it says so itself (`NodeError`).
    """
    result: Any = None
    wrong: tuple[str, str, bool] | None = None
    try:
        result = action()
    except UserError as error:
        wrong = str(error), node_name(), isinstance(error, NodeError)
    found: list[tuple[str, str, bool] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(found, wrong)
    places: dict[str, list[str]] = {}
    of_nodes = False
    for rank, fault in enumerate(found):
        if fault is not None:
            words, host, of_node = fault
            of_nodes = of_nodes or of_node
            places.setdefault(words, []).append(f"rank {rank} on {host}")
    if not places:
        mine: Result = result
        return mine
    if not of_nodes and (not by_all or None not in found):
        raise UserError("\n".join(places))
    raise NodeError("\n".join(f"{_first(where)}: {words}" for words, where in places.items()))


def _first(places: list[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
