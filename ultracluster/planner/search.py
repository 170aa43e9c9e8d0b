"""The search: every sensible layout of a model on so many nodes, and why the others lose."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Final, NamedTuple

from ultracluster.planner.communication import Sending, in_passes, inside, second_hop
from ultracluster.planner.compute import compute
from ultracluster.planner.kinds import Choices, Only
from ultracluster.planner.layout import (
    INDIFFERENCE,
    RECOMPUTED,
    WORTH_A_PIPELINE,
    Candidate,
    Kind,
    Layout,
    Setup,
    choose,
    partitions,
)
from ultracluster.planner.memory import memory
from ultracluster.planner.step import Step, in_the_way, optimizing, passes, step

FINEST: Final = 2**20
"""A partition size at which the model state takes no room."""

BATCH_DEVIATION: Final = 0.1
"""A step may hold this much more or less than the batch asked for, where nothing divides it."""


@dataclass(slots=True)
class Room:
    """What is known of the memory of one kind, of which larger partitions take less."""

    plenty: int
    """The smallest partition known to leave room for all layers in flight."""
    none: int
    """The largest partition known not to fit."""
    between: dict[int, float]
    """Seconds of a pass that scarce memory costs, by partition."""


class Way(NamedTuple):
    """A kind as it is on any number of GPUs."""

    rate: float
    """Sequences that one GPU would compute in a second if it never waited."""
    busy: float
    """Seconds of a pass."""
    waiting: float
    """Passes that a stage waits in a step."""
    kind: Kind
    rooms: dict[tuple[bool, bool], Room]
    """By whether a step has several passes, and whether there are several nodes."""


@dataclass
class Search:
    """Layouts of one model on any number of nodes; what does not depend on it is kept."""

    setup: Setup
    batch: int
    """Sequences of one optimizer step."""
    only: Only = Only()  # noqa: RUF009 - it is frozen
    _once: dict[tuple[int, ...], tuple[Sending, float]] = field(default_factory=dict)
    _hops: dict[tuple[int, ...], float] = field(default_factory=dict)

    @property
    def choices(self) -> Choices:
        return Choices(self.setup, self.only)

    @property
    def per_node(self) -> int:
        return self.setup.network.gpus_per_node

    @cached_property
    def ways(self) -> tuple[list[Way], list[Way]]:
        """The kinds without and with a pipeline, the fastest first.

        No partition size and no number of nodes makes a layout faster than that.
        """
        found: tuple[list[Way], list[Way]] = ([], [])
        for kind in self.choices.kinds():
            share = kind.gpus_of_a_rank * kind.context
            layout = kind.layout(FINEST, share * FINEST, 1, self.per_node)
            if memory(self.setup, layout).fits:
                busy = in_the_way(compute(self.setup, layout), in_passes(self.setup, layout))
                way = Way(kind.micro_batch / share / busy, busy, layout.waiting, kind, {})
                found[kind.pipeline > 1].append(way)
        for each in found:
            each.sort(reverse=True, key=lambda way: way.rate)
        return found

    def candidates(self, gpus: int, *, all_of_them: bool = True) -> list[Candidate]:
        """Return the layouts that fit on so many GPUs, all or those that may be chosen."""
        whole, staged = self.ways
        found = self._near(gpus, whole, 0.0, everything=all_of_them)
        best = max((each.rate for each in found), default=0.0)
        worth = best / (1 - WORTH_A_PIPELINE)
        return found + self._near(gpus, staged, worth, everything=all_of_them)

    def _near(
        self, gpus: int, ways: list[Way], good: float, *, everything: bool
    ) -> list[Candidate]:
        """Return the layouts that come near the fastest of some ways, and near a rate."""
        found, batch, distributed = list[Candidate](), self.batch, gpus > self.per_node
        for way in ways:
            bound, busy, waiting, kind, _ = way
            if bound * gpus < good and not everything:
                break
            ranks, rest = divmod(gpus, kind.tensor * kind.pipeline)
            if rest or ranks % kind.context:
                continue
            accumulation = self._passes(kind, ranks)
            sequences = kind.micro_batch * ranks * accumulation // kind.context
            asked = kind.micro_batch in {1, self.only.micro_batch}
            if not asked and abs(sequences / batch - 1) > BATCH_DEVIATION:
                continue
            count = accumulation + waiting
            if sequences < good * count * busy and not everything:
                continue
            for p, short in self._fitting(ranks, way, (accumulation > 1, distributed)):
                sending, optimizer = self._beside(kind, p)
                least = count * (max(busy, sending.seconds) + short) + optimizer
                if waiting:
                    least = count * (busy + short) + sending.seconds + optimizer
                if sequences < good * least and not everything:
                    continue
                hop = self._hop(gpus, kind, p)
                micro, ending = passes(self.setup, kind.pipeline, busy, sending, hop)
                rate = sequences / (count * (micro + short) + ending + optimizer)
                if rate >= good or everything:
                    good = max(good, rate * (1 - INDIFFERENCE))
                    found.append(Candidate(rate, kind, accumulation, p))
        return found

    def _passes(self, kind: Kind, ranks: int) -> int:
        """Return the passes of a step that come nearest to the batch.

        A stage must not wait longer than it works; interleaved, micro-batches come in groups of as
        many as there are stages (Narayanan et al. 2021, section 2.2).
        """
        count = self.batch * kind.context / (kind.micro_batch * ranks)
        group = kind.pipeline if kind.chunks > 1 else 1
        return max(kind.pipeline, group * round(count / group))

    def _fitting(
        self, ranks: int, way: Way, flags: tuple[bool, bool]
    ) -> Iterator[tuple[int, float]]:
        """Yield the partition sizes that fit, the largest first, and what scarce memory costs."""
        stack, kind = self.setup.stack, way.kind
        room = way.rooms.get(flags)
        if room is None:
            room = way.rooms[flags] = self._room(kind, flags)
        if room.none == FINEST:
            return
        for p in self._partitions(ranks, kind):
            if p <= room.none:
                return
            if p < room.plenty and p not in room.between:
                holding = memory(self.setup, self._any_of(kind, p, flags))
                if not holding.fits:
                    room.none = p
                    return
                short = stack.shortage * holding.shortage(stack.live_layers)
                room.between[p] = way.busy * short
                room.plenty = room.plenty if short else p
            yield p, room.between.get(p, 0.0)

    def _room(self, kind: Kind, flags: tuple[bool, bool]) -> Room:
        """Return what two partition sizes tell of the memory of a kind.

        What does not fit however finely it is split needs no look at each size; and nothing of a
        stage is gathered, so that all but its part of the state is the same for every size.
        """
        finest = memory(self.setup, self._any_of(kind, FINEST, flags))
        if not finest.fits:
            return Room(FINEST, FINEST, {})
        if kind.pipeline == 1:
            return Room(FINEST, 0, {})
        state = memory(self.setup, self._any_of(kind, 1, flags)).needed - finest.needed
        free = max(finest.capacity - finest.needed, 1.0)
        smallest = math.ceil(state / free)
        return Room(smallest, smallest - 1, {})

    def _partitions(self, ranks: int, kind: Kind) -> Iterator[int]:
        """Yield the partition sizes that were asked for and hold all experts, the largest first."""
        own = self.only.group
        for p in reversed(partitions(ranks, max(1, self.per_node // kind.tensor))):
            if p * kind.tensor % kind.expert:
                continue
            if own is None or own == p * kind.gpus_of_a_rank:
                yield p

    def _any_of(self, kind: Kind, p: int, flags: tuple[bool, bool]) -> Layout:
        """Return a layout on any number of GPUs: memory asks only whether it has several nodes."""
        accumulates, distributed = flags
        gpus = 2 * p * kind.gpus_of_a_rank * self.per_node if distributed else self.per_node
        passes = 2 * kind.pipeline if accumulates else 1
        return kind.layout(p, gpus, passes, self.per_node)

    def _beside(self, kind: Kind, p: int) -> tuple[Sending, float]:
        """Return what a group sends in a pass, and the seconds of a step that it optimizes."""
        key = (kind.tensor, kind.pipeline, kind.chunks, kind.expert, p)
        found = self._once.get(key)
        if found is None:
            # Neither the batch nor the other groups change what is sent inside this one.
            layout = kind.layout(p, p * kind.gpus_of_a_rank, 1, self.per_node)
            found = self._once[key] = inside(self.setup, layout), optimizing(self.setup, layout)
        return found

    def _hop(self, gpus: int, kind: Kind, p: int) -> float:
        key = (gpus, kind.tensor, kind.pipeline, kind.chunks, p)
        hop = self._hops.get(key)
        if hop is None:
            hop = second_hop(self.setup, kind.layout(p, gpus, 1, self.per_node))
            self._hops[key] = hop
        return hop

    def best(self, nodes: int) -> Step | None:
        """Return the layout to use on so many nodes; None where none fits."""
        gpus = nodes * self.per_node
        chosen = choose(self.candidates(gpus, all_of_them=False))
        return None if chosen is None else self.step(gpus, chosen)

    def step(self, gpus: int, candidate: Candidate) -> Step:
        partition, passes = candidate.partition, candidate.accumulation
        return step(self.setup, candidate.kind.layout(partition, gpus, passes, self.per_node))

    def leanest(self, nodes: int, *, one_pass: bool = False, whole: bool = False) -> Step:
        """Return the layout that takes the least memory: one sequence, recomputed, over all GPUs.

        Args:
            nodes: So many.
            one_pass: With a batch as small as one pass of all GPUs makes.
            whole: Without tensor parallelism and pipelines.
        """
        gpus, found = nodes * self.per_node, list[Layout]()
        for t, (p, v) in product(self.choices.degrees(), self.choices.stages()):
            ranks, rest = divmod(gpus, t * p)
            if rest or v > 1 or (whole and t * p > 1):
                continue
            for e in self.choices.experts_over(t):
                if ranks * t % e == 0:
                    kind = Kind(t, 1, RECOMPUTED, p, 1, 1, e)
                    count = 1 if one_pass else self._passes(kind, ranks)
                    found.append(kind.layout(ranks, gpus, count, self.per_node))
        if not found:
            found = [Layout(gpus, gpus)]
        best = min(found, key=lambda layout: memory(self.setup, layout).needed)
        return step(self.setup, best)

    def smallest_group(self, nodes: int, *, tensor: int) -> int | None:
        """Return the fewest GPUs that hold one copy of the model with one sequence each."""
        gpus = nodes * self.per_node
        for p in partitions(gpus // tensor, max(1, self.per_node // tensor)):
            if memory(self.setup, Layout(gpus, p, tensor)).fits:
                return p * tensor
        return None
