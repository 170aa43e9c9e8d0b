"""The search: every sensible layout of a model on so many nodes, and why the others lose."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from ultracluster.planner.communication import Sending, in_passes, inside, second_hop
from ultracluster.planner.layout import (
    DEGREES,
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

BATCH_DEVIATION: Final = 0.1
"""A step may hold this much more or less than the batch asked for, where nothing divides it."""
MANY_NODES: Final = 2**20
"""So many that the model state takes no room where it is divided over them."""


class Way(NamedTuple):
    """A kind as it is on any number of nodes, or on one."""

    kind: Kind
    busy: float
    """Seconds of a pass."""


class Work(NamedTuple):
    """A micro-batch of a family on so many GPUs."""

    gpus: int
    accumulation: int
    passes: float
    """Passes of a step, those counted that a stage waits."""
    sequences: int
    """Of a step."""


class Family(NamedTuple):
    """Kinds that differ in their micro-batch and in what becomes of activations alone.

    They send the same inside a group. Of those of one micro-batch that have all the memory they
    could use, only the fastest is ever chosen.
    """

    rate: float
    """Sequences that one GPU would compute in a second if it never waited."""
    waiting: float
    """Passes that a stage waits in a step."""
    share: int
    """GPUs that share a sequence."""
    kind: Kind
    """One of them."""
    by_micro_batch: list[list[Way]]
    """The fastest of each first."""
    beside: dict[int, tuple[Sending, float, float]]
    """By partition: what a group sends in a pass, the seconds of that, and the seconds of a step
    that it optimizes."""


@dataclass
class Search:
    """Layouts of one model on any number of nodes; what does not depend on it is kept."""

    setup: Setup
    batch: int
    """Sequences of one optimizer step."""
    only: Only = Only()  # noqa: RUF009 - it is frozen
    _families: dict[bool, tuple[list[Family], list[Family]]] = field(default_factory=dict)
    """By whether there are several nodes."""

    @property
    def choices(self) -> Choices:
        return Choices(self.setup, self.only)

    @cached_property
    def per_node(self) -> int:
        return self.setup.network.gpus_per_node

    def families(self, gpus: int) -> tuple[list[Family], list[Family]]:
        """Return what may fit on so many GPUs, without and with a pipeline, the fastest first.

        No partition size and no number of nodes makes a layout faster than that.
        """
        several = gpus > self.per_node
        if several not in self._families:
            self._families[several] = self._made(several=several)
        return self._families[several]

    def _made(self, *, several: bool) -> tuple[list[Family], list[Family]]:
        gpus = self.per_node * (MANY_NODES if several else 1)
        ways: dict[tuple[int, ...], dict[int, list[Way]]] = {}
        for kinds in self.choices.kinds():
            if kinds[0].gpus_of_a_rank > gpus:
                continue
            by_micro_batch = ways.setdefault(DEGREES(kinds[0]), {})
            for kind in kinds:
                # No step of it has fewer passes, and no partition is larger.
                ranks = gpus // kind.gpus_of_a_rank
                layout = kind.layout(ranks, gpus, kind.pipeline, self.per_node)
                if not memory(self.setup, layout).fits:
                    break  # nor do more sequences
                busy = in_the_way(compute(self.setup, layout), in_passes(self.setup, layout))
                by_micro_batch.setdefault(kind.micro_batch, []).append(Way(kind, busy))
        found: tuple[list[Family], list[Family]] = ([], [])
        for by_micro_batch in filter(None, ways.values()):
            members = [sorted(alike, key=lambda way: way.busy) for alike in by_micro_batch.values()]
            kind = members[0][0].kind
            share = kind.gpus_of_a_rank * kind.context
            rate = max(each.kind.micro_batch / share / each.busy for each, *_ in members)
            waiting = (kind.pipeline - 1) / kind.chunks
            found[kind.pipeline > 1].append(Family(rate, waiting, share, kind, members, {}))
        for each in found:
            each.sort(reverse=True, key=lambda family: family.rate)
        return found

    def candidates(self, gpus: int, *, all_of_them: bool = True) -> list[Candidate]:
        """Return the layouts that fit on so many GPUs, all or those that may be chosen."""
        found, good = list[Candidate](), 0.0
        for families in self.families(gpus):
            best = 0.0
            for family in families:
                if family.rate * gpus < good:
                    break
                if self._most(family, gpus) <= good:
                    continue
                for each in self._of(family, gpus, good):
                    best = max(best, each.rate)
                    good = 0.0 if all_of_them else max(good, each.rate * (1 - INDIFFERENCE))
                    found.append(each)
            good = 0.0 if all_of_them else best / (1 - WORTH_A_PIPELINE)
        return found

    def most(self, nodes: int) -> float:
        """Return tokens a second that no layout on so many nodes can pass."""
        gpus = nodes * self.per_node
        fastest = (next(iter(families), None) for families in self.families(gpus))
        rates = (family.rate * gpus for family in fastest if family)
        return max(rates, default=0.0) * self.setup.shape.sequence

    def _most(self, family: Family, gpus: int) -> float:
        """Return a rate that nothing of a family reaches on so many GPUs; 0 if none is so large."""
        if gpus % family.share:
            return 0.0
        # More than a step has: the more there are the less the bubble matters.
        passes = self.batch * family.share / gpus + family.kind.pipeline
        return family.rate * gpus * passes / (passes + family.waiting)

    def _of(self, family: Family, gpus: int, good: float) -> Iterator[Candidate]:
        """Yield the layouts of a family that fit on so many GPUs and reach a rate."""
        ranks = gpus // family.kind.gpus_of_a_rank
        sizes = self._partitions(ranks, family.kind)
        for ways in family.by_micro_batch if sizes else ():
            kind = ways[0].kind
            accumulation = self.passes_of(kind, ranks)
            sequences = kind.micro_batch * ranks * accumulation // kind.context
            asked = kind.micro_batch in {1, self.only.micro_batch}
            if not asked and abs(sequences / self.batch - 1) > BATCH_DEVIATION:
                continue
            work = Work(gpus, accumulation, accumulation + family.waiting, sequences)
            for way in ways:
                if sequences < good * work.passes * way.busy:
                    break
                yield from self._of_way(family, work, way, sizes, good)

    def _of_way(
        self, family: Family, work: Work, way: Way, sizes: list[int], good: float
    ) -> Iterator[Candidate]:
        """Yield the partition sizes of a way that reach a rate."""
        (kind, busy), (gpus, accumulation, count, sequences) = way, work
        setup, stack = self.setup, self.setup.stack
        once, shown = stack.keeps_weights(kind.pipeline), not stack.zero_1
        for p in sizes:
            sending, sent, optimizer = family.beside.get(p) or self._beside(family, p)
            alone = count * busy + sent * shown + optimizer if once else count * max(busy, sent)
            if sequences < good * alone:
                continue
            layout = kind.layout(p, gpus, accumulation, self.per_node)
            held = memory(setup, layout)
            if not held.fits:
                return  # nor does a smaller partition
            micro, ending = passes(setup, kind, busy, sending, second_hop(setup, layout))
            micro += busy * stack.shortage * held.shortage(stack.live_layers)
            rate = sequences / (count * micro + ending + optimizer)
            if rate >= good:
                yield Candidate(rate, kind, accumulation, p)

    def passes_of(self, kind: Kind, ranks: int) -> int:
        """Return the passes of a step that come nearest to the batch.

        A stage must not wait longer than it works; interleaved, micro-batches come in groups of as
        many as there are stages (Narayanan et al. 2021, section 2.2).
        """
        count = self.batch * kind.context / (kind.micro_batch * ranks)
        group = kind.pipeline if kind.chunks > 1 else 1
        return max(kind.pipeline, group * round(count / group))

    def _partitions(self, ranks: int, kind: Kind) -> list[int]:
        """Return the partition sizes that were asked for and hold all experts, largest first."""
        own = self.only.group
        return [
            p
            for p in reversed(partitions(ranks, max(1, self.per_node // kind.tensor)))
            if p * kind.tensor % kind.expert == 0
            and (own is None or own == p * kind.gpus_of_a_rank)
        ]

    def _beside(self, family: Family, p: int) -> tuple[Sending, float, float]:
        """Return what a group of so many ranks sends and optimizes."""
        # Neither the batch nor the other groups change what is sent inside this one.
        kind = family.kind
        layout = kind.layout(p, p * kind.gpus_of_a_rank, 1, self.per_node)
        sending = inside(self.setup, layout)
        found = sending, sending.seconds, optimizing(self.setup, layout)
        family.beside[p] = found
        return found

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
