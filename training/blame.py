"""Which rank holds the others up, for any program of PyTorch that asks each step.

A program makes a `Blame` once its ranks have met and FSDP2 has wrapped its layers, and has its
layers followed. Each step it hands its marks over, and the sum of all ranks' rows. Who hangs is
found by `training.hang` from the same marks. docs/training/contract.md shows the calls.
"""

import statistics
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

from training.heartbeat import Heartbeat
from training.launch.contract import accuse, node_name
from training.mesh import Launch
from training.pace import AGREE, COMPUTES, DATA, KINDS, OTHERS, Mark, Marks, Watch

EVENT: Final = "straggler"
COLUMNS: Final = KINDS + 1
SLOW: Final = 1.15
"""Times the median of all ranks; the alarm `job-straggles` has the same."""
MATTERS: Final = 0.05
"""Part of a step that a rank must cost the others."""
LEAST_SECONDS: Final = 0.005
"""Below this it is the noise of a machine."""
BEFORE: Final = 32
"""Steps whose wait for the network is the usual one."""
NETWORK: Final = 0.25
"""Part of a usual step that the network must take longer: it varies more than GPUs do."""
NOBODY: Final = (-1, "")
SAYS: Final = {
    "clock": "computes {0:.2f} times as long as the median rank: look at its GPU's clock, and at "
    "its processor",
    "data": "takes {0:.2f} times the median rank's time, for it waits for its data: look at its "
    "file system",
    "network": "is slow, and steps take {0:.2f} times as long as before: look at its network card",
}


@dataclass(frozen=True, slots=True)
class Straggler:
    """A rank that the others wait for."""

    rank: int
    """-1 where it is the network, and no rank's in particular."""
    together: int
    """Ranks from that one on that share their layers and cannot be told apart; mostly 1."""
    cause: str
    """`clock`, `data` or `network`."""
    times: float
    """The median of all ranks; of a network the steps before."""
    seconds: float
    """That it costs each step."""

    def text(self, node: str) -> str:
        """Say it to people."""
        last = self.rank + self.together - 1
        whose = f"one of ranks {self.rank} to {last}" if self.together > 1 else f"rank {self.rank}"
        where = f"{whose} on {node}" if self.rank >= 0 else "the network, of no single rank,"
        does = SAYS[self.cause].format(self.times)
        return f"STRAGGLER {where} {does}; {self.seconds:.3f} s of each step"


class Pace:
    """What the last steps say of all ranks; each rank comes to the same result.

    Args:
        together: Ranks that share their layers, `parallel.tensor_parallel`.
    """

    def __init__(self, together: int = 1) -> None:
        self.together = max(1, together)
        self.suspects: deque[tuple[int, str]] = deque(maxlen=AGREE + 1)
        self.usual: deque[float] = deque(maxlen=BEFORE)
        """What the network took of earlier steps, on the rank that waited least."""
        self.named: tuple[int, str] | None = None
        self.seen: Tensor | None = None

    def saw(self, table: Tensor) -> Straggler | None:
        """Take in a step, a row of `Blame` for each rank. Return whom it convicts, once."""
        table, writes = table[:, :KINDS], bool(table[:, KINDS].any())
        if self.seen is not None and torch.equal(table, self.seen):
            return None  # After a pause the same figures come twice.
        self.seen = table
        table = table.reshape(-1, self.together, KINDS).mean(1)
        both = filter(None, (self._slowest(table), None if writes else self._network(table)))
        found = max(both, key=lambda each: each.seconds, default=None)
        self.suspects.append((found.rank, found.cause) if found else NOBODY)
        [(most, often)] = Counter(self.suspects).most_common(1)
        if often < AGREE:
            return None
        if most == NOBODY:
            self.named = None
        if not found or (found.rank, found.cause) != most or most == self.named:
            return None
        self.named = most
        return found

    def _slowest(self, table: Tensor) -> Straggler | None:
        own = table[:, COMPUTES] + table[:, DATA]
        rank = int(own.argmax())
        median = float(own.median())  # of two ranks the lower one: the slow one is no part of it
        excess, step = float(own[rank]) - median, float(table[rank].sum())
        if excess < max(LEAST_SECONDS, MATTERS * step, (SLOW - 1) * median):
            return None
        by = [
            float(table[rank, kind]) - float(table[:, kind].median()) for kind in (COMPUTES, DATA)
        ]
        cause = "data" if by[DATA] > by[COMPUTES] else "clock"
        times = float(own[rank]) / max(median, 1e-9)
        return Straggler(rank * self.together, self.together, cause, times, excess)

    def _network(self, table: Tensor) -> Straggler | None:
        """Return whether even the rank that waits least waits for longer than it did."""
        least = float(table[:, OTHERS].min())
        usual = statistics.median(self.usual) if len(self.usual) >= AGREE else least
        step = float(table[0].sum())
        if least - usual < max(LEAST_SECONDS, NETWORK * (step - least + usual)):
            self.usual.append(least)
            return None
        times = step / max(step - (least - usual), 1e-9)
        return Straggler(-1, 1, "network", times, least - usual)


def saw(paces: Sequence[Pace], table: Tensor) -> Straggler | None:
    """Take in a step of all ranks, a part of them for each `Pace`; return whom it convicts, once.

    Stages of a pipeline have different work, so that each has a `Pace` of its own.
    """
    parts = table.view(len(paces), -1, COLUMNS)
    found = [
        replace(slow, rank=slow.rank + number * len(part)) if slow.rank >= 0 else slow
        for number, (pace, part) in enumerate(zip(paces, parts, strict=True))
        if (slow := pace.saw(part))
    ]
    return max(found, key=lambda each: each.seconds, default=None)


class Blame:
    """One rank's part in it. All ranks make theirs at once, and call `judge` at the same steps.

    Args:
        launch: This rank and the others.
        device: Its GPU, or the processor.
        heart: What it tells its node.
        tell: Says and records an event; on all ranks but one it does nothing.
        speaks: Whether this is that one.
        folder: `run.path`, if there is one.
        together: Consecutive ranks that wait for each other inside a layer.
        stages: Of a pipeline. Their ranks follow each other stage by stage, and each is compared
            with those of its own stage.
        slowest: Times the median rank at which the run is to end and start without a slow rank's
            node; 0 never.
    """

    def __init__(
        self,
        launch: Launch,
        device: torch.device,
        heart: Heartbeat,
        *,
        tell: Callable[..., None],
        speaks: Callable[[], bool],
        folder: str | None,
        together: int = 1,
        stages: int = 1,
        slowest: float = 0.0,
    ) -> None:
        self.launch, self.device, self.heart = launch, device, heart
        self.tell, self.speaks, self.slowest = tell, speaks, slowest
        self.folder = Path(folder) if folder else None
        self.watch = Watch(device)
        self.paces = [Pace(together) for _ in range(stages)]
        self.times = deque([[0.0] * KINDS], maxlen=AGREE)
        """Seconds by kind of this rank's last steps."""
        self.nodes: list[str] = [""] * launch.world
        dist.all_gather_object(self.nodes, node_name())

    def row(self, like: Tensor, *, writes: bool) -> Tensor:
        """Return this rank's part of the table of all ranks; `judge` takes the sum over ranks.

        Args:
            like: A tensor of the type and place that the row is to have.
            writes: Whether a checkpoint is being written, which has the network to itself.
        """
        table = like.new_zeros(self.launch.world, COLUMNS)
        for kind, value in enumerate((*self.times[-1], float(writes))):
            # A fill, not a copy: a copy from the host would wait for the GPU.
            table[self.launch.rank, kind].fill_(value)
        return table.flatten()

    def passed(self, marks: Marks) -> None:
        """Take in the marks of a step, once the device is through with it."""
        self.times.append(self.watch.seconds(marks))
        mean = [statistics.fmean(kind) for kind in zip(*self.times, strict=True)]
        self.heart.tell(
            rank_busy_seconds=mean[COMPUTES] + mean[DATA],
            rank_data_wait_seconds=mean[DATA],
            rank_network_wait_seconds=mean[OTHERS],
        )

    def judge(self, step: int, table: Tensor) -> bool:
        """Say which rank holds all up, if one does, and return whether the run is to end for it.

        Args:
            step: Counted from 1.
            table: The sum of all ranks' rows.
        """
        if self.launch.world == 1:
            return False
        found = saw(self.paces, table)
        return found is not None and self._name(step, found)

    def _name(self, step: int, found: Straggler) -> bool:
        if found.cause == "network":
            found = replace(found, rank=slow_link(self.launch, self.device))
            self.watch.restart()
        node = self.nodes[found.rank] if found.rank >= 0 else ""
        self.tell(EVENT, found.text(node), step=step, node=node, **asdict(found))
        ends = bool(node) and 0 < self.slowest <= found.times
        if ends and self.speaks():
            accuse(node)
        return ends


PROBE_BYTES: Final = 4 * 2**20
LIMPS: Final = 1.5
"""Times the median of all ranks that a rank's best link takes where its network is at fault."""


def slow_link(launch: Launch, device: torch.device) -> int:
    """Return the rank whose network is slow, -1 where none stands out. All ranks must ask.

    Pairs exchange some megabytes, each GPU with those at the same place of the nodes beside its
    own. A rank's best link counts: its neighbours' other links are as fast as ever.
    """
    stride = launch.local_world if launch.world > launch.local_world else 1
    place, places = launch.rank // stride, launch.world // stride
    best = torch.full((), torch.inf, device=device)
    payload = torch.zeros(PROBE_BYTES // 4, device=device)
    received = torch.empty_like(payload)
    for turn in range(2 if places % 2 == 0 else 3):
        # In an odd ring the last place would meet two at once: it has a turn of its own.
        pairs = [
            (at, (at + 1) % places)
            for at in range(places)
            if (2 if places % 2 and at == places - 1 else at % 2) == turn
        ]
        peer = next((b if place == a else a for a, b in pairs if place in (a, b)), None)
        if peer is None:
            continue
        at = peer * stride + launch.rank % stride
        for _ in range(2):  # the first connects
            both = [dist.P2POp(dist.isend, payload, at), dist.P2POp(dist.irecv, received, at)]
            before = Mark(device)
            for work in dist.batch_isend_irecv(both):
                work.wait()
            spent = Mark(device).seconds_since(before)
        best = best.clamp(max=spent)
    table = torch.zeros(launch.world, device=device)
    table[launch.rank] = best
    dist.all_reduce(table)
    rank = int(table.argmax())
    return rank if float(table[rank]) > LIMPS * float(table.median()) else -1
