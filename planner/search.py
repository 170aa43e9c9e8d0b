"""The search: every sensible layout of a model on so many nodes, and why the others lose."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from planner.communication import communicate, inside, second_hop
from planner.compute import Compute, compute
from planner.devices import Gpu, Network
from planner.layout import Layout
from planner.memory import Memory, memory
from planner.shape import ModelShape
from planner.stack import Stack
from planner.step import Step, assemble, optimizing, passes

TENSOR: Final = (1, 2, 4, 8)
MICRO_BATCHES: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
PARTITIONS: Final = 5
"""Fitting partition sizes that are looked at, from the smallest up. Larger ones only add bytes
and hops: once memory is no longer scarce, time grows with the partition."""

FINEST: Final = 2**20
"""A partition size at which the model state takes no room."""

INDIFFERENCE: Final = 0.05
"""Layouts this close to the fastest count as equal, for the model cannot tell them apart
(docs/planner-accuracy.md). Of these, one without tensor parallelism is chosen before one with it,
for any training program can run it; then the smallest partition group, which leaves the most
replicas and asks the least of the network."""

BATCH_DEVIATION: Final = 0.1
"""A step may hold this much more or less than the batch asked for, where nothing divides it."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is trained, and on what.

    Attributes:
        shape: The model.
        gpu: The GPU.
        network: The links.
        stack: The software.
        batch: Sequences of one optimizer step.
    """

    shape: ModelShape
    gpu: Gpu
    network: Network
    stack: Stack
    batch: int


@dataclass(frozen=True, slots=True)
class Only:
    """What a layout must be like; what is None is searched for.

    Attributes:
        group: GPUs that hold one copy of the model state.
        tensor: Degree of tensor parallelism.
        micro_batch: Sequences of one pass.
        checkpointing: Whether activations are recomputed.
    """

    group: int | None = None
    tensor: int | None = None
    micro_batch: int | None = None
    checkpointing: bool | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to train that leaves the partition size open.

    Attributes:
        tensor: Degree of tensor parallelism.
        micro_batch: Sequences of one pass.
        checkpointing: Whether activations are recomputed.
        accumulates: Whether a step has several passes.
        distributed: Whether there are several nodes.
    """

    tensor: int
    micro_batch: int
    checkpointing: bool
    accumulates: bool
    distributed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """What a kind with one partition size takes on any number of nodes.

    Attributes:
        holding: Memory.
        busy: Seconds of a pass that the GPU computes, tensor parallelism's all-reduces included.
        sending: Seconds of a pass that weights and gradients are sent inside the group.
        short: Seconds of a pass that scarce memory costs.
        optimizer: Seconds of a step that the optimizer takes.
    """

    holding: Memory
    busy: float
    sending: float
    short: float
    optimizer: float


@dataclass
class Search:
    """Layouts of one model on any number of nodes; what does not depend on it is kept.

    Args:
        place: What is trained, and on what.
        only: What layouts must be like.
    """

    place: Place
    only: Only = Only()
    _parts: dict[Kind, dict[int, Part | None]] = field(default_factory=dict)
    _hops: dict[tuple[int, int, int], float] = field(default_factory=dict)

    def degrees(self) -> tuple[int, ...]:
        """Return the tensor-parallel degrees that divide the heads and stay in a node."""
        shape, per_node = self.place.shape, self.place.network.gpus_per_node
        groups = shape.key_value_heads or shape.heads
        return tuple(
            t
            for t in ((self.only.tensor,) if self.only.tensor else TENSOR)
            if t <= per_node and per_node % t == 0 and shape.heads % t == 0 and groups % t == 0
        )

    def kinds(self, gpus: int) -> Iterator[tuple[Kind, int]]:
        """Yield every kind on so many GPUs, and the passes of its step."""
        distributed = gpus > self.place.network.gpus_per_node
        for t in self.degrees():
            ranks = gpus // t
            for b in (self.only.micro_batch,) if self.only.micro_batch else MICRO_BATCHES:
                accumulation = max(1, round(self.place.batch / (b * ranks)))
                deviation = abs(b * ranks * accumulation / self.place.batch - 1)
                asked = b in {1, self.only.micro_batch}
                if deviation > BATCH_DEVIATION and not asked:
                    continue
                for checkpointing in (False, True):
                    if self.only.checkpointing not in {None, checkpointing}:
                        continue
                    yield Kind(t, b, checkpointing, accumulation > 1, distributed), accumulation

    def parts(self, gpus: int, kind: Kind) -> Iterator[tuple[int, Part]]:
        """Yield the partition sizes that fit, from the smallest up."""
        known = self._parts.get(kind)
        if known is None:
            # What does not fit however finely it is split needs no look at each partition size.
            known = self._parts[kind] = {FINEST: self._part(kind, FINEST)}
        if known[FINEST] is None:
            return
        found = 0
        t = kind.tensor
        for p in partitions(gpus // t, max(1, self.place.network.gpus_per_node // t)):
            if self.only.group not in {None, p * t}:
                continue
            if p not in known:
                known[p] = self._part(kind, p)
            part = known[p]
            if part is None:
                continue
            yield p, part
            found += 1
            if found == PARTITIONS:
                return

    def _part(self, kind: Kind, p: int) -> Part | None:
        """Return what a kind with one partition size takes; None where it does not fit."""
        place, per_node = self.place, self.place.network.gpus_per_node
        # Any world of this kind: memory asks only whether there are several nodes.
        world = 2 * p * kind.tensor * per_node if kind.distributed else per_node
        layout = self._layout(kind, p, world, 2 if kind.accumulates else 1)
        holding = self._hold(layout)
        if not holding.fits:
            return None
        gather, scatter, tensor = inside(place.shape, layout, place.gpu, place.network, place.stack)
        busy = self._computing(layout).seconds + tensor
        return Part(
            holding=holding,
            busy=busy,
            sending=gather + scatter,
            short=busy * place.stack.shortage * holding.shortage(place.stack.live_layers),
            optimizer=optimizing(place.shape, layout.group, place.gpu, place.stack),
        )

    def _layout(self, kind: Kind, p: int, gpus: int, accumulation: int) -> Layout:
        return Layout(
            gpus=gpus,
            partition=p,
            tensor=kind.tensor,
            micro_batch=kind.micro_batch,
            accumulation=accumulation,
            checkpointing=kind.checkpointing,
            hierarchical=p * kind.tensor > self.place.network.gpus_per_node,
        )

    def steps(self, nodes: int) -> list[Step]:
        """Return the step of every layout that fits."""
        gpus = nodes * self.place.network.gpus_per_node
        return [
            self._step(self._layout(kind, p, gpus, accumulation), part.holding)
            for kind, accumulation in self.kinds(gpus)
            for p, part in self.parts(gpus, kind)
        ]

    def best(self, nodes: int) -> Step | None:
        """Return the layout to use on so many nodes; None where none fits."""
        gpus = nodes * self.place.network.gpus_per_node
        timed = [
            (self._rate(gpus, kind, accumulation, p, part), kind, accumulation, p, part)
            for kind, accumulation in self.kinds(gpus)
            for p, part in self.parts(gpus, kind)
        ]
        if not timed:
            return None
        good = max(each[0] for each in timed) * (1 - INDIFFERENCE)
        near = [
            self._step(self._layout(kind, p, gpus, accumulation), part.holding)
            for rate, kind, accumulation, p, part in timed
            if rate >= good
        ]
        return choose(self.place.shape, near)

    def _rate(self, gpus: int, kind: Kind, accumulation: int, p: int, part: Part) -> float:
        """Return sequences per second: what `_step` says, without keeping the parts."""
        place, t = self.place, kind.tensor
        key = (p, t, gpus // t // p)
        hop = self._hops.get(key)
        if hop is None:
            layout = self._layout(kind, p, gpus, accumulation)
            hop = second_hop(place.shape, layout, place.gpu, place.network, place.stack)
            self._hops[key] = hop
        micro, last = passes(
            part.busy, part.sending, hop, layers=place.shape.layers, exposed=place.stack.exposed
        )
        seconds = (accumulation - 1) * micro + last + accumulation * part.short + part.optimizer
        return kind.micro_batch * accumulation * (gpus // t) / seconds

    def _step(self, layout: Layout, holding: Memory) -> Step:
        place = self.place
        return assemble(
            place.shape,
            layout,
            place.gpu,
            place.stack,
            computing=self._computing(layout),
            sending=communicate(place.shape, layout, place.gpu, place.network, place.stack),
            holding=holding,
        )

    def _computing(self, layout: Layout) -> Compute:
        return compute(
            self.place.shape,
            self.place.gpu,
            self.place.stack,
            micro_batch=layout.micro_batch,
            tensor=layout.tensor,
            checkpointing=layout.checkpointing,
        )

    def _hold(self, layout: Layout) -> Memory:
        return memory(
            self.place.shape,
            layout,
            self.place.gpu,
            self.place.stack,
            gpus_per_node=self.place.network.gpus_per_node,
        )

    def least(self, nodes: int, *, tensor: int) -> Memory:
        """Return the memory of the leanest layout: one sequence, recomputed, over all GPUs."""
        gpus = nodes * self.place.network.gpus_per_node
        return self._hold(Layout(gpus, gpus // tensor, tensor))

    def smallest_group(self, nodes: int, *, tensor: int) -> int | None:
        """Return the fewest GPUs that hold one copy of the model with one sequence each."""
        gpus = nodes * self.place.network.gpus_per_node
        for p in partitions(gpus // tensor, max(1, self.place.network.gpus_per_node // tensor)):
            if self._hold(Layout(gpus, p, tensor)).fits:
                return p * tensor
        return None


def choose(shape: ModelShape, steps: Sequence[Step]) -> Step | None:
    """Return the simplest of the layouts that are as good as the fastest: see `INDIFFERENCE`."""
    if not steps:
        return None
    rates = [step.tokens_per_second(shape) for step in steps]
    good = max(rates) * (1 - INDIFFERENCE)
    near = [(step, rate) for step, rate in zip(steps, rates, strict=True) if rate >= good]
    simplest = min((step.layout.tensor, step.layout.group) for step, _ in near)
    equal = [pair for pair in near if (pair[0].layout.tensor, pair[0].layout.group) == simplest]
    return max(equal, key=lambda pair: pair[1])[0]


@cache
def partitions(ranks: int, per_node: int) -> tuple[int, ...]:
    """Return the partition sizes of so many ranks: parts of a node, or whole nodes."""
    found = [d for d in range(1, math.isqrt(ranks) + 1) if ranks % d == 0]
    every = sorted({*found, *(ranks // d for d in found)})
    return tuple(p for p in every if p % per_node == 0 or per_node % p == 0)
