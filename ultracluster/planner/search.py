"""The search: every sensible layout of a model on so many nodes, and why the others lose."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Final

from ultracluster.planner.communication import inside, second_hop
from ultracluster.planner.compute import compute
from ultracluster.planner.layout import (
    INDIFFERENCE,
    Candidate,
    Kind,
    Layout,
    Setup,
    choose,
    partitions,
)
from ultracluster.planner.memory import Memory, memory
from ultracluster.planner.step import Step, optimizing, passes, step

TENSOR: Final = (1, 2, 4, 8)
MICRO_BATCHES: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
FINEST: Final = 2**20
"""A partition size at which the model state takes no room."""

BATCH_DEVIATION: Final = 0.1
"""A step may hold this much more or less than the batch asked for, where nothing divides it."""


@dataclass(frozen=True, slots=True)
class Only:
    """What a layout must be like; what is None is searched for."""

    group: int | None = None
    """GPUs that hold one copy of the model state."""
    tensor: int | None = None
    micro_batch: int | None = None
    """Sequences of one pass."""
    checkpointing: bool | None = None


@dataclass(slots=True)
class Room:
    """What is known of the memory of one kind, of which larger partitions take less."""

    plenty: int
    """The smallest partition known to leave room for all layers in flight."""
    none: int
    """The largest partition known not to fit."""
    between: dict[int, float]
    """Seconds of a pass that scarce memory costs, by partition."""


@dataclass
class Search:
    """Layouts of one model on any number of nodes; what does not depend on it is kept."""

    setup: Setup
    batch: int
    """Sequences of one optimizer step."""
    only: Only = Only()
    _rooms: dict[Kind, Room] = field(default_factory=dict)
    _inside: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    _hops: dict[tuple[int, int], float] = field(default_factory=dict)

    def degrees(self) -> tuple[int, ...]:
        """Return the tensor-parallel degrees that divide the heads and stay in a node."""
        shape, per_node = self.setup.shape, self.setup.network.gpus_per_node
        groups = shape.key_value_heads or shape.heads
        return tuple(
            t
            for t in ((self.only.tensor,) if self.only.tensor else TENSOR)
            if t <= per_node and per_node % t == 0 and shape.heads % t == 0 and groups % t == 0
        )

    @cached_property
    def ways(self) -> list[tuple[float, float, int, int, bool]]:
        """What a GPU would compute in sequences per second if nothing but computing took time.

        With the seconds of a pass, tensor-parallel degree, micro-batch and checkpointing, the
        fastest first: no partition size and no number of nodes makes a layout faster than that.
        """
        own = self.only
        batches = (own.micro_batch,) if own.micro_batch else MICRO_BATCHES
        ways = (False, True) if own.checkpointing is None else (own.checkpointing,)
        found = []
        for t, b, checkpointing in product(self.degrees(), batches, ways):
            busy = self._busy(Layout(t, 1, t, b, 1, checkpointing=checkpointing))
            found.append((b / t / busy, busy, t, b, checkpointing))
        return sorted(found, reverse=True)

    def candidates(self, gpus: int, *, all_of_them: bool = True) -> list[Candidate]:
        """Return the layouts that fit on so many GPUs, all or those that come near the fastest."""
        setup, batch = self.setup, self.batch
        layers, exposed = setup.shape.layers, setup.stack.exposed
        distributed = gpus > setup.network.gpus_per_node
        good, found = 0.0, []
        for bound, busy, t, b, checkpointing in self.ways:
            if bound * gpus < good and not all_of_them:
                break
            ranks = gpus // t
            accumulation = max(1, round(batch / (b * ranks)))
            sequences = b * ranks * accumulation
            asked = b in {1, self.only.micro_batch}
            if not asked and abs(sequences / batch - 1) > BATCH_DEVIATION:
                continue
            kind = Kind(t, b, checkpointing, accumulation > 1, distributed)
            for p, short in self._fitting(gpus, kind, busy):
                sending, optimizer = self._beside(t, p)
                hop = self._hop(gpus, t * p)
                micro, last = passes(busy, sending, hop, layers=layers, exposed=exposed)
                seconds = (accumulation - 1) * micro + last + accumulation * short + optimizer
                rate = sequences / seconds
                if rate >= good or all_of_them:
                    good = max(good, rate * (1 - INDIFFERENCE))
                    found.append(Candidate(rate, kind, accumulation, p))
        return found

    def _fitting(self, gpus: int, kind: Kind, busy: float) -> Iterator[tuple[int, float]]:
        """Yield the partition sizes that fit, the largest first, and what scarce memory costs."""
        t, own, stack = kind.tensor, self.only.group, self.setup.stack
        room = self._rooms.get(kind)
        if room is None:
            # What does not fit however finely it is split needs no look at each partition size.
            fits = memory(self.setup, self._any_of(kind, FINEST)).fits
            room = self._rooms[kind] = Room(FINEST, 0 if fits else FINEST, {})
        for p in reversed(partitions(gpus // t, max(1, self.setup.network.gpus_per_node // t))):
            if p <= room.none:
                return
            if own is not None and own != p * t:
                continue
            if p >= room.plenty:
                yield p, 0.0
                continue
            short = room.between.get(p)
            if short is None:
                holding = memory(self.setup, self._any_of(kind, p))
                if not holding.fits:
                    room.none = p
                    return
                short = busy * stack.shortage * holding.shortage(stack.live_layers)
                room.between[p] = short
                if short == 0:
                    room.plenty = p
            yield p, short

    def _any_of(self, kind: Kind, p: int) -> Layout:
        """Return a layout on any number of GPUs: memory asks only whether it has several nodes."""
        per_node = self.setup.network.gpus_per_node
        gpus = 2 * p * kind.tensor * per_node if kind.distributed else per_node
        return self._layout(kind, p, gpus, 2 if kind.accumulates else 1)

    def _beside(self, t: int, p: int) -> tuple[float, float]:
        """Return the seconds of a pass that a group sends, and of a step that it optimizes."""
        found = self._inside.get((t, p))
        if found is None:
            # Neither the batch nor the other groups change what is sent inside this one.
            layout = self._layout(Kind(t, 1, False, False, True), p, t * p, 1)
            gather, scatter, _ = inside(self.setup, layout)
            found = self._inside[t, p] = gather + scatter, optimizing(self.setup, t * p)
        return found

    def _busy(self, layout: Layout) -> float:
        """Return the seconds of a pass that a GPU computes; no partition size changes them."""
        _, _, tensor = inside(self.setup, layout)
        return compute(self.setup, layout).seconds + tensor

    def _hop(self, gpus: int, group: int) -> float:
        hop = self._hops.get((gpus, group))
        if hop is None:
            hop = self._hops[gpus, group] = second_hop(self.setup, Layout(gpus, group))
        return hop

    def _layout(self, kind: Kind, p: int, gpus: int, accumulation: int) -> Layout:
        return Layout(
            gpus=gpus,
            partition=p,
            tensor=kind.tensor,
            micro_batch=kind.micro_batch,
            accumulation=accumulation,
            checkpointing=kind.checkpointing,
            hierarchical=p * kind.tensor > self.setup.network.gpus_per_node,
        )

    def best(self, nodes: int) -> Step | None:
        """Return the layout to use on so many nodes; None where none fits."""
        gpus = nodes * self.setup.network.gpus_per_node
        chosen = choose(self.candidates(gpus, all_of_them=False))
        return None if chosen is None else self.step(gpus, chosen)

    def step(self, gpus: int, candidate: Candidate) -> Step:
        kind, accumulation = candidate.kind, candidate.accumulation
        return step(self.setup, self._layout(kind, candidate.partition, gpus, accumulation))

    def least(self, nodes: int, *, tensor: int) -> Memory:
        """Return the memory of the leanest layout: one sequence, recomputed, over all GPUs."""
        gpus = nodes * self.setup.network.gpus_per_node
        return memory(self.setup, Layout(gpus, gpus // tensor, tensor))

    def smallest_group(self, nodes: int, *, tensor: int) -> int | None:
        """Return the fewest GPUs that hold one copy of the model with one sequence each."""
        gpus = nodes * self.setup.network.gpus_per_node
        for p in partitions(gpus // tensor, max(1, self.setup.network.gpus_per_node // tensor)):
            if memory(self.setup, Layout(gpus, p, tensor)).fits:
                return p * tensor
        return None
