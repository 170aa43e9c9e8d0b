"""The search: every sensible layout of a model on so many nodes, and why the others lose."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from planner.communication import Communication, communicate
from planner.compute import Compute, compute
from planner.devices import Gpu, Network
from planner.layout import Layout
from planner.memory import Memory, memory
from planner.shape import ModelShape
from planner.stack import Stack
from planner.step import Step, assemble

TENSOR: Final = (1, 2, 4, 8)
MICRO_BATCHES: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
PARTITIONS: Final = 5
"""Fitting partition sizes that are looked at, from the smallest up. Larger ones only add bytes
and hops: once memory is no longer scarce, time grows with the partition."""

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


@dataclass
class Search:
    """Layouts of one model on any number of nodes; what does not depend on it is kept.

    Args:
        place: What is trained, and on what.
        tensor: Degrees of tensor parallelism that may be used.
    """

    place: Place
    tensor: Sequence[int] = TENSOR
    _compute: dict[tuple[int, int, bool], Compute] = field(default_factory=dict)
    _memory: dict[tuple[int, int, int, bool, bool, bool], Memory] = field(default_factory=dict)
    _gather: dict[tuple[int, int, int, bool], tuple[float, ...]] = field(default_factory=dict)

    def degrees(self) -> tuple[int, ...]:
        """Return the tensor-parallel degrees that divide the heads and stay in a node."""
        shape, per_node = self.place.shape, self.place.network.gpus_per_node
        groups = shape.key_value_heads or shape.heads
        return tuple(
            t
            for t in self.tensor
            if t <= per_node and per_node % t == 0 and shape.heads % t == 0 and groups % t == 0
        )

    def steps(self, nodes: int) -> Iterator[Step]:
        """Yield the step of every layout that fits."""
        gpus = nodes * self.place.network.gpus_per_node
        for t in self.degrees():
            ranks = gpus // t
            for b in MICRO_BATCHES:
                accumulation = max(1, round(self.place.batch / (b * ranks)))
                deviation = abs(b * ranks * accumulation / self.place.batch - 1)
                if b > 1 and deviation > BATCH_DEVIATION:
                    continue
                for checkpointing in (False, True):
                    yield from self._fitting(gpus, t, b, accumulation, checkpointing=checkpointing)

    def _fitting(
        self, gpus: int, t: int, b: int, accumulation: int, *, checkpointing: bool
    ) -> Iterator[Step]:
        found = 0
        if not self._memory_of(gpus, gpus // t, t, b, accumulation, checkpointing).fits:
            return
        for p in partitions(gpus // t, max(1, self.place.network.gpus_per_node // t)):
            holding = self._memory_of(gpus, p, t, b, accumulation, checkpointing)
            if not holding.fits:
                continue
            yield self._step(gpus, p, t, b, accumulation, checkpointing, holding)
            found += 1
            if found == PARTITIONS:
                return

    def _step(
        self,
        gpus: int,
        p: int,
        t: int,
        b: int,
        accumulation: int,
        checkpointing: bool,  # noqa: FBT001 - the innermost loop
        holding: Memory,
    ) -> Step:
        place = self.place
        computing = self._compute.get((t, b, checkpointing))
        if computing is None:
            computing = compute(
                place.shape,
                place.gpu,
                place.stack,
                micro_batch=b,
                tensor=t,
                checkpointing=checkpointing,
            )
            self._compute[t, b, checkpointing] = computing
        layout = Layout(
            gpus, p, t, b, accumulation, checkpointing, p * t > place.network.gpus_per_node
        )
        key = (gpus, p, t, checkpointing)
        sent = self._gather.get(key)
        if sent is None:
            once = communicate(place.shape, layout, place.gpu, place.network, place.stack)
            # Only tensor parallelism's all-reduces grow with the micro-batch.
            sent = (once.gather, once.reduce_scatter, once.tensor / b, once.second_hop)
            self._gather[key] = sent
        gather, scatter, tensor, hop = sent
        sending = Communication(gather, scatter, tensor * b, hop, 0)
        return assemble(place.shape, layout, place.gpu, place.stack, computing, sending, holding)

    def _memory_of(
        self,
        gpus: int,
        p: int,
        t: int,
        b: int,
        accumulation: int,
        checkpointing: bool,  # noqa: FBT001 - the innermost loop
    ) -> Memory:
        per_node = self.place.network.gpus_per_node
        key = (p, t, b, accumulation > 1, checkpointing, gpus > per_node)
        found = self._memory.get(key)
        if found is None:
            layout = Layout(gpus, p, t, b, accumulation, checkpointing)
            found = memory(
                self.place.shape,
                layout,
                self.place.gpu,
                self.place.stack,
                gpus_per_node=per_node,
            )
            self._memory[key] = found
        return found

    def best(self, nodes: int) -> Step | None:
        """Return the layout to use on so many nodes; None where none fits."""
        return choose(self.place.shape, list(self.steps(nodes)))

    def least(self, nodes: int, *, tensor: int) -> Memory:
        """Return the memory of the leanest layout: one sequence, recomputed, over all GPUs."""
        gpus = nodes * self.place.network.gpus_per_node
        return self._memory_of(gpus, gpus // tensor, tensor, 1, 1, True)  # noqa: FBT003

    def smallest_group(self, nodes: int, *, tensor: int) -> int | None:
        """Return the fewest GPUs that hold one copy of the model with one sequence each."""
        gpus = nodes * self.place.network.gpus_per_node
        for p in partitions(gpus // tensor, max(1, self.place.network.gpus_per_node // tensor)):
            if self._memory_of(gpus, p, tensor, 1, 1, True).fits:  # noqa: FBT003
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


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """A layout that was not chosen."""

    step: Step
    why: str


def runners_up(shape: ModelShape, chosen: Step, steps: Sequence[Step]) -> tuple[RunnerUp, ...]:
    """Return what else could be done, each in its best form, and why it is not.

    The partition groups next to the chosen one, each other tensor degree, the other way to treat
    activations, and the same layout with another batch.
    """
    mine = chosen.layout
    ranked = sorted(steps, key=lambda step: -step.tokens_per_second(shape))
    alike = [s for s in ranked if s.layout.tensor == mine.tensor]
    groups = sorted({s.layout.group for s in alike})
    below = [group for group in groups if group < mine.group][-1:]
    above = [group for group in groups if group > mine.group][:2]
    found: list[Step] = []
    for group in (*below, *above):
        found += [s for s in alike if s.layout.group == group][:1]
    for degree in sorted({s.layout.tensor for s in steps} - {mine.tensor}):
        found += [s for s in ranked if s.layout.tensor == degree][:1]
    found += [s for s in alike if s.layout.checkpointing != mine.checkpointing][:1]
    found += [s for s in alike if _same_but_for_batch(s.layout, mine) and s is not chosen][:1]
    unlike = {id(step): step for step in found if step is not chosen}.values()
    best = sorted(unlike, key=lambda step: -step.tokens_per_second(shape))
    return tuple(RunnerUp(step, _why(shape, chosen, step)) for step in best)


def _same_but_for_batch(one: Layout, other: Layout) -> bool:
    return (one.partition, one.tensor, one.checkpointing) == (
        other.partition,
        other.tensor,
        other.checkpointing,
    )


def _why(shape: ModelShape, chosen: Step, other: Step) -> str:
    """Say in words what costs another layout its place."""
    gain = other.tokens_per_second(shape) / chosen.tokens_per_second(shape) - 1
    near = f"{abs(gain):.1%} {'faster' if gain >= 0 else 'slower'}, within the model's error; "
    if abs(gain) <= INDIFFERENCE and other.layout.tensor > chosen.layout.tensor:
        return f"{near}needs a program with tensor parallelism"
    if abs(gain) <= INDIFFERENCE and other.layout.group > chosen.layout.group:
        return f"{near}gathers over {other.layout.group} GPUs, not {chosen.layout.group}"
    tokens = chosen.layout.sequences / other.layout.sequences
    costs = {
        "recomputation" if other.layout.checkpointing else "computation": (
            other.computed * tokens - chosen.computed
        ),
        "tensor-parallel all-reduces": (
            other.sending.tensor * other.layout.accumulation * tokens
            - chosen.sending.tensor * chosen.layout.accumulation
        ),
        "scarce memory": other.shortage * tokens - chosen.shortage,
        "gathers and reduce-scatters": (
            (other.exposed - _tensor(other)) * tokens - (chosen.exposed - _tensor(chosen))
        ),
        "the optimizer": other.optimizer * tokens - chosen.optimizer,
    }
    name, seconds = max(costs.items(), key=lambda item: item[1])
    return f"{-gain:.1%} slower: {name} cost {seconds:.2f} s more a step"


def _tensor(step: Step) -> float:
    return step.sending.tensor * step.layout.accumulation
