"""Start one process per GPU, watch them, and end as they end.

torchrun ends with 1 whenever a rank does not end with 0, which hides 75 (saved, run me again);
this passes it on. There is nothing else here: no elasticity, no restarts, for SageMaker and Slurm
restart jobs themselves.
"""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from training.launch.contract import AGAIN

GRACE_SECONDS: Final = 20.0
"""How long other ranks may take to end once one has failed; a collective that waits for it would
otherwise hold them until its own timeout."""

POLL_SECONDS: Final = 0.1
LINES: Final = 40
"""Last lines of a rank's standard error that are kept to say why it failed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this node stands among the nodes of a job."""

    node: int
    nodes: int
    ranks: int
    """Processes on each of them."""
    master: str
    port: int
    """Port that rank 0 listens on."""

    def environment(self, local_rank: int) -> dict[str, str]:
        """Return what torchrun would tell a rank of this node."""
        return {
            "RANK": str(self.node * self.ranks + local_rank),
            "WORLD_SIZE": str(self.nodes * self.ranks),
            "LOCAL_RANK": str(local_rank),
            "LOCAL_WORLD_SIZE": str(self.ranks),
            "GROUP_RANK": str(self.node),
            "MASTER_ADDR": self.master,
            "MASTER_PORT": str(self.port),
        }


@dataclass(frozen=True, slots=True)
class End:
    """How the ranks of this node ended."""

    status: int
    """Exit status for the launcher."""
    rank: int | None = None
    """Rank that decided it, None where all ended well."""
    said: str = ""
    """Last words of that rank."""


@dataclass
class Rank:
    """One started process and the last of what it said."""

    number: int
    process: "subprocess.Popen[str]"
    lines: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=LINES))

    def status(self) -> int | None:
        """Return its exit status as a shell says it, None while it runs."""
        found = self.process.poll()
        return 128 - found if found is not None and found < 0 else found

    def send(self, number: int) -> None:
        """Send a signal to the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def last_words(self) -> str:
        """Return the last thing of meaning on its standard error."""
        return next((line.strip() for line in reversed(self.lines) if line.strip()), "")


def run(command: Sequence[str], place: Place, environment: Mapping[str, str]) -> End:
    """Start the ranks of this node, forward SIGTERM and SIGINT to them, and wait for all."""
    told: list[int] = []

    def tell(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    # PID 1 of a container has no default action for signals: without a handler they are lost.
    before = {n: signal.signal(n, tell) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        ranks = list(_started(command, place, environment))
        try:
            return _watched(ranks, told)
        finally:
            for rank in ranks:
                rank.send(signal.SIGKILL)
                rank.process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _started(
    command: Sequence[str], place: Place, environment: Mapping[str, str]
) -> Iterator[Rank]:
    for local in range(place.ranks):
        own = place.environment(local)
        process = subprocess.Popen(
            list(command),
            env={**environment, **own},
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A group of its own, so that data loaders are told, too, and die with it.
            start_new_session=True,
        )
        rank = Rank(int(own["RANK"]), process)
        threading.Thread(target=_listen, args=(rank,), daemon=True).start()
        yield rank


def _listen(rank: Rank) -> None:
    for line in rank.process.stderr or ():
        rank.lines.append(line)
        sys.stderr.write(line)
        sys.stderr.flush()


def _watched(ranks: Sequence[Rank], told: list[int]) -> End:
    first: tuple[Rank, int] | None = None
    deadline = float("inf")
    sent = 0

    def send(number: int) -> None:
        for rank in ranks:
            rank.send(number)

    while True:
        ended = {rank.number: status for rank in ranks if (status := rank.status()) is not None}
        bad = [rank for rank in ranks if ended.get(rank.number, 0) not in {0, AGAIN}]
        if bad and first is None:
            first = (bad[0], ended[bad[0].number])
            deadline = time.monotonic() + GRACE_SECONDS
            send(signal.SIGTERM)
        if len(ended) == len(ranks):
            break
        for number in told[sent:]:
            sent += 1
            send(number)
        if time.monotonic() > deadline:
            send(signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    if first is not None:
        # The listener may be some lines behind what was written before the end.
        time.sleep(POLL_SECONDS)
        return End(first[1], first[0].number, first[0].last_words())
    again = [rank for rank in ranks if ended[rank.number] == AGAIN]
    return End(AGAIN, again[0].number, again[0].last_words()) if again else End(0)
