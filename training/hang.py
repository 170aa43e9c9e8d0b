"""Which rank a hang is due to, and what it waits in; then the run ends, to be started without it.

A thread of each rank looks whether its device still passes the marks of `training.pace`. Where it
does not, one rank asks all for their place: who does not answer is stopped, or its node is gone;
else it is the rank that has passed the fewest marks, for the others wait for it. Another thread
talks to the store, which is rank 0's process: where that is the rank that hangs, nobody answers.
"""

import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch
import torch.distributed as dist

from training.blame import Blame
from training.failure import FIRST, HANGS, NODE, Failure, Witness, append
from training.launch.contract import HUNG, accuse
from training.record import FILE, now, say

JUDGE, ASKED, HERE, VERDICT = "judge", "asked", "here", "verdict"
GAPS: Final = 3
"""Times the longest time between two marks that one may take as well."""
ENDS_AFTER: Final = 3
"""Times the patience, after which the run ends: until then what hung may go on."""
SILENT_SECONDS: Final = 10
"""Without an answer of the store, while this rank stalls."""
OF_OTHERS: Final = ("torch/distributed", "torchtitan/distributed", "training/sharding.py")
"""Files in which a rank waits for others."""


class Guard:
    """Looks after one rank of a run.

    Args:
        patience: Seconds, `run.hang_seconds`; 0 never says anything.
        writes: Whether a checkpoint is being written, which all may wait for.
    """

    def __init__(
        self, witness: Witness, blame: Blame, patience: float, writes: Callable[[], bool]
    ) -> None:
        self.witness, self.blame, self.patience, self.writes = witness, blame, patience, writes
        self.watch, self.folder = blame.watch, blame.folder
        self.rank, self.world = witness.launch.rank, witness.launch.world
        self.store = dist.PrefixStore("hang", witness.store)  # type: ignore[attr-defined] # not in its stub
        self.over, self.ending = threading.Event(), threading.Lock()
        self.stalled = 0.0
        """Seconds without progress, beyond what is usual."""
        self.heard = time.monotonic()
        """When the store last answered."""
        self.verdict: Failure | None = None
        self.speaks = self.alone = False
        """Whether this rank says it, and whether the store is silent."""
        if patience and self.world > 1:
            self.first_node = witness.store.get(f"{NODE}/0").decode()
            for work in (self._look, self._talk):
                threading.Thread(target=work, daemon=True).start()

    def close(self, *, failed: bool = False) -> None:
        """Stop looking; does not return where the run ends for a hang."""
        if failed and self.verdict:
            self._end(self.verdict)
        self.over.set()
        self.ending.acquire()  # and never gives it back

    def _look(self) -> None:
        passed, since = -1, time.monotonic()
        while not self.over.wait(min(1.0, self.patience)):
            heart, before, passed = self.blame.heart, passed, self.watch.passed()
            # A checkpoint that all wait for takes as long as it takes.
            pauses = heart.paused and (time.time() < heart.due or self.writes())
            if passed != before or pauses:
                since = time.monotonic()
            self.stalled = time.monotonic() - since - GAPS * max(self.watch.longest)
            silent = time.monotonic() - self.heard > SILENT_SECONDS
            if self.stalled > self.patience and silent and self.verdict is None:
                launch, self.alone = self.witness.launch, True
                self.speaks = launch.local_rank == int(launch.rank < launch.local_world)
                self._tell(Failure(0, self.first_node, now(), HANGS))
            if self.stalled > ENDS_AFTER * self.patience and self.verdict:
                self._end(self.verdict)

    def _tell(self, found: Failure) -> None:
        self.verdict = found
        text = f"HANGS rank {found.rank} on {found.node}: {found.error}"
        if not self.alone:
            self.blame.tell("hang", text, rank=found.rank, node=found.node)
        elif self.speaks:
            say(text)

    def _end(self, found: Failure) -> None:
        with self.ending:
            if self.speaks:
                say(f"FAILED {found}", sys.stderr)
                accuse(found.node)
                if self.folder:
                    append(self.folder / FILE, found.values())
            _dump(self.folder, self.rank)
            # To ranks that have not heard of the hang this end would look like a failure. Rank 0's
            # process, which is the store, is the last.
            time.sleep(self.witness.grace * (1 + (self.rank == 0)))
            os._exit(HUNG)

    def _talk(self) -> None:
        with contextlib.suppress(RuntimeError, OSError):
            while not self.over.wait(self.witness.pause):
                known = self.store.check([VERDICT])
                if self.stalled > self.patience and not known:
                    self._judge()
                elif self.speaks and known and self.stalled < 0:
                    # It goes on: the next hang is another one.
                    places = (f"{HERE}/{rank}" for rank in range(self.world))
                    for key in (JUDGE, ASKED, VERDICT, *places):
                        self.store.delete_key(key)
                if self.store.check([ASKED]):
                    self._answer()
                if not self.store.check([VERDICT]):
                    self.verdict = None
                elif self.verdict is None:
                    self._tell(Failure(**json.loads(self.store.get(VERDICT))))
                self.heard = time.monotonic()
        self.over.set()  # The store is gone, and rank 0 with it: others tell.

    def _answer(self) -> None:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
        stack = traceback.extract_stack(frame)
        waits = any(each in line.filename for each in OF_OTHERS for line in stack[-6:])
        mine = (self.watch.passed(), waits, _place(stack), self.watch.last)
        self.store.set(f"{HERE}/{self.rank}", json.dumps(mine))

    def _judge(self) -> None:
        """Ask all ranks where they are, and say whom the others wait for; one rank does."""
        mine = str(self.rank)
        self.speaks = self.store.compare_set(JUDGE, "", mine) == mine.encode()
        if not self.speaks or self.witness.store.check([FIRST]):
            return
        self.store.set(ASKED, "")
        self._answer()
        time.sleep(self.witness.grace)
        rank, why = self._odd_one()
        node = self.witness.store.get(f"{NODE}/{rank}").decode()
        self.store.set(VERDICT, json.dumps(asdict(Failure(rank, node, now(), why))))

    def _odd_one(self) -> tuple[int, str]:
        found: list[tuple[int, bool, str, str]] = []
        for rank in range(self.world):
            if not self.store.check([f"{HERE}/{rank}"]):
                return rank, HANGS
            found.append(tuple(json.loads(self.store.get(f"{HERE}/{rank}"))))
        rank = min(range(self.world), key=lambda each: found[each][:2])
        passed, _, place, last = found[rank]
        alike = sum(each[:2] == found[rank][:2] for each in found)
        which = f"; {alike} ranks are at the same place" if alike > 1 else ""
        return rank, f"it hangs in {place}, after {last} ({passed} marks){which}"


def _place(stack: traceback.StackSummary) -> str:
    """Return the innermost line, and the innermost of this program."""
    own = [line for line in stack if "/training/" in line.filename]
    names = [
        f"{line.name} ({Path(line.filename).name}:{line.lineno})" for line in (stack[-1], *own[-1:])
    ]
    return ", called by ".join(dict.fromkeys(names))


def _dump(folder: Path | None, rank: int) -> None:
    """Write NCCL's flight record of its last collectives, where there is one."""
    if folder is not None and torch.cuda.is_available():
        with contextlib.suppress(OSError, AttributeError, RuntimeError):
            trace = torch._C._distributed_c10d._dump_nccl_trace()  # type: ignore[attr-defined] # noqa: SLF001
            (folder / "flight" / f"rank_{rank}").write_bytes(trace)
