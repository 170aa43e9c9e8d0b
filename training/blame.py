"""Which rank holds the others up, for any program of PyTorch that asks each step.

A program makes a `Blame` once its ranks have met and FSDP2 has wrapped its layers, and has its
layers followed. Each step it hands its marks over, and the sum of all ranks' rows. Who hangs is
found by `training.hang` from the same marks. docs/training/contract.md shows the calls.
"""

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

from training.heartbeat import Heartbeat
from training.launch.contract import accuse, node_name
from training.mesh import Launch
from training.pace import (
    AGREE,
    COLUMNS,
    COMPUTES,
    DATA,
    KINDS,
    OTHERS,
    Mark,
    Marks,
    Pace,
    Straggler,
    Watch,
    saw,
)

EVENT: Final = "straggler"


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
