"""The search: every sensible layout of a model on so many nodes, and why the others lose."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from ultracluster.planner.communication import Sending, in_passes, inside, second_hop
from ultracluster.planner.layout import (
    INDIFFERENCE,
    WORTH_A_PIPELINE,
    Candidate,
    Choices,
    Kind,
    Layout,
    Only,
    Setup,
    choose,
    partitions,
)
from ultracluster.planner.memory import memory
from ultracluster.planner.step import Step, compute, in_the_way, optimizing, passes, step

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

    kind: Kind
    busy: float
    """Seconds of a pass."""
    rooms: dict[tuple[bool, bool], Room]
    """By whether a step has several passes, and whether there are several nodes."""


class Family(NamedTuple):
    """Kinds that differ in their micro-batch and in what becomes of activations alone.

    They send the same inside a group. Of those of one micro-batch that have all the memory they
    could use, only the fastest is ever chosen.
    """

    rate: float
    """Sequences that one GPU would compute in a second if it never waited."""
    waiting: float
    """Passes that a stage waits in a step."""
    kind: Kind
    """One of them."""
    by_micro_batch: list[list[Way]]
    """The fastest first."""


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

    @cached_property
    def per_node(self) -> int:
        return self.setup.network.gpus_per_node

    @cached_property
    def families(self) -> tuple[list[Family], list[Family]]:
        """What fits somewhere, without and with a pipeline, the fastest first.

        No partition size and no number of nodes makes a layout faster than that.
        """
        ways: dict[tuple[int, ...], dict[int, list[Way]]] = {}
        for kind in self.choices.kinds():
            layout = kind.layout(FINEST, _share(kind) * FINEST, 1, self.per_node)
            if memory(self.setup, layout).fits:
                busy = in_the_way(compute(self.setup, layout), in_passes(self.setup, layout))
                alike = ways.setdefault(kind.degrees, {}).setdefault(kind.micro_batch, [])
                alike.append(Way(kind, busy, {}))
        found: tuple[list[Family], list[Family]] = ([], [])
        for by_micro_batch in ways.values():
            members = [sorted(way, key=lambda each: each.busy) for way in by_micro_batch.values()]
            rate = max(
                each.kind.micro_batch / _share(each.kind) / each.busy for each, *_ in members
            )
            kind = members[0][0].kind
            waiting = (kind.pipeline - 1) / kind.chunks
            found[kind.pipeline > 1].append(Family(rate, waiting, kind, members))
        for each in found:
            each.sort(reverse=True, key=lambda family: family.rate)
        return found

    def candidates(self, gpus: int, *, all_of_them: bool = True) -> list[Candidate]:
        """Return the layouts that fit on so many GPUs, all or those that may be chosen."""
        found, good = list[Candidate](), 0.0
        for families in self.families:
            best = 0.0
            for family in families:
                if family.rate * gpus < good:
                    break
                for each in self._of(family, gpus, good, every_way=all_of_them):
                    best = max(best, each.rate)
                    good = 0.0 if all_of_them else max(good, each.rate * (1 - INDIFFERENCE))
                    found.append(each)
            good = 0.0 if all_of_them else best / (1 - WORTH_A_PIPELINE)
        return found

    def _of(
        self, family: Family, gpus: int, good: float, *, every_way: bool
    ) -> Iterator[Candidate]:
        """Yield the layouts of a family that fit on so many GPUs and reach a rate."""
        kind = family.kind
        ranks, rest = divmod(gpus, kind.gpus_of_a_rank)
        if rest or ranks % kind.context:
            return
        sizes = self._partitions(ranks, kind)
        for ways in family.by_micro_batch:
            micro_batch = ways[0].kind.micro_batch
            accumulation = self.passes_of(ways[0].kind, ranks)
            sequences = micro_batch * ranks * accumulation // kind.context
            asked = micro_batch in {1, self.only.micro_batch}
            if not asked and abs(sequences / self.batch - 1) > BATCH_DEVIATION:
                continue
            if sequences < good * (accumulation + family.waiting) * ways[0].busy:
                continue
            flags = accumulation > 1, gpus > self.per_node
            rooms = [(way, self._room(way, flags)) for way in ways]
            for p in sizes:
                fitting = [(way, room) for way, room in rooms if p > room.none]
                if not fitting:
                    break
                layout = Candidate(good, kind, accumulation, p)
                yield from self._of_size(layout, fitting, gpus, sequences, every_way=every_way)

    def _of_size(
        self,
        least: Candidate,
        fitting: list[tuple[Way, Room]],
        gpus: int,
        sequences: int,
        *,
        every_way: bool,
    ) -> Iterator[Candidate]:
        """Yield the ways of one micro-batch and partition size that reach the rate of another."""
        good, kind, accumulation, p = least
        waiting, flags = (kind.pipeline - 1) / kind.chunks, (accumulation > 1, gpus > self.per_node)
        count = accumulation + waiting
        sending, optimizer = self._beside(kind, p)
        once = sending.seconds + optimizer
        for way, room in fitting:
            busy = way.busy
            alone = count * busy + once if waiting else count * max(busy, sending.seconds)
            if sequences < good * alone:
                break
            hop = self._hop(gpus, kind, p)
            micro, ending = passes(self.setup, kind.pipeline, busy, sending, hop)
            if sequences < good * (count * micro + ending + optimizer):
                continue
            short = self._short(way, room, p, flags)
            if short is None:
                continue
            rate = sequences / (count * (micro + short) + ending + optimizer)
            if rate >= good:
                yield Candidate(rate, way.kind, accumulation, p)
            if not (short or every_way) and (waiting or busy >= sending.seconds):
                break  # those that follow send as much, and compute longer

    def passes_of(self, kind: Kind, ranks: int) -> int:
        """Return the passes of a step that come nearest to the batch.

        A stage must not wait longer than it works; interleaved, micro-batches come in groups of as
        many as there are stages (Narayanan et al. 2021, section 2.2).
        """
        count = self.batch * kind.context / (kind.micro_batch * ranks)
        group = kind.pipeline if kind.chunks > 1 else 1
        return max(kind.pipeline, group * round(count / group))

    def _short(self, way: Way, room: Room, p: int, flags: tuple[bool, bool]) -> float | None:
        """Return the seconds of a pass that scarce memory costs; None where a size does not fit."""
        if p < room.plenty and p not in room.between:
            holding = memory(self.setup, self._any_of(way.kind, p, flags))
            if not holding.fits:
                room.none = max(room.none, p)
                return None
            stack = self.setup.stack
            room.between[p] = way.busy * stack.shortage * holding.shortage(stack.live_layers)
            room.plenty = room.plenty if room.between[p] else p
        return room.between.get(p, 0.0)

    def _room(self, way: Way, flags: tuple[bool, bool]) -> Room:
        """Return what two partition sizes tell of the memory of a kind.

        What does not fit however finely it is split needs no look at each size; and nothing of a
        stage is gathered, so that all but its part of the state is the same for every size.
        """
        if flags in way.rooms:
            return way.rooms[flags]
        finest = memory(self.setup, self._any_of(way.kind, FINEST, flags))
        if not finest.fits:
            room = Room(FINEST, FINEST, {})
        elif way.kind.pipeline == 1:
            room = Room(FINEST, 0, {})
        else:
            state = memory(self.setup, self._any_of(way.kind, 1, flags)).needed - finest.needed
            smallest = math.ceil(state / max(finest.capacity - finest.needed, 1.0))
            room = Room(smallest, smallest - 1, {})
        way.rooms[flags] = room
        return room

    def _partitions(self, ranks: int, kind: Kind) -> list[int]:
        """Return the partition sizes that were asked for and hold all experts, largest first."""
        own = self.only.group
        return [
            p
            for p in reversed(partitions(ranks, max(1, self.per_node // kind.tensor)))
            if p * kind.tensor % kind.expert == 0
            and (own is None or own == p * kind.gpus_of_a_rank)
        ]

    def _any_of(self, kind: Kind, p: int, flags: tuple[bool, bool]) -> Layout:
        """Return a layout on any number of GPUs: memory asks only whether it has several nodes."""
        accumulates, distributed = flags
        gpus = 2 * p * kind.gpus_of_a_rank * self.per_node if distributed else self.per_node
        passes = 2 * kind.pipeline if accumulates else 1
        return kind.layout(p, gpus, passes, self.per_node)

    def _beside(self, kind: Kind, p: int) -> tuple[Sending, float]:
        """Return what a group sends in a pass, and the seconds of a step that it optimizes."""
        key = (*kind.degrees, p)
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

    def smallest_group(self, nodes: int, *, tensor: int) -> int | None:
        """Return the fewest GPUs that hold one copy of the model with one sequence each."""
        gpus = nodes * self.per_node
        for p in partitions(gpus // tensor, max(1, self.per_node // tensor)):
            if memory(self.setup, Layout(gpus, p, tensor)).fits:
                return p * tensor
        return None


def _share(kind: Kind) -> int:
    """Return the GPUs that share a sequence."""
    return kind.gpus_of_a_rank * kind.context
