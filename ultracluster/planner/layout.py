"""Layouts of a model over GPUs, and their degrees of parallelism."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from operator import attrgetter
from typing import Final, NamedTuple

from ultracluster.catalogue.sharding import divisors
from ultracluster.planner.devices import Gpu, Network
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import SoftwareStack

INDIFFERENCE: Final = 0.07
"""Layouts this close to the fastest count as equal: two predictions that are each off by 5 %
(docs/planner-accuracy.md) differ by so much by chance. Of these, one without tensor parallelism is
chosen before one with it, for any training program can run it; then the smallest partition group,
which leaves the most replicas and asks the least of the network."""

WORTH_A_PIPELINE: Final = 0.2
"""Part of the speed that must be won before a pipeline is chosen: few programs have one, its
micro-batches must divide, and no run of it on such networks was at hand."""

KEPT: Final = "kept"
SELECTIVE: Final = "selective"
RECOMPUTED: Final = "recomputed"
ACTIVATIONS: Final = (KEPT, SELECTIVE, RECOMPUTED)
"""What becomes of activations until the backward pass: all kept; attention and every second
product kept (torchtitan's selective recomputation; without flash attention, which keeps no scores,
all but the scores, as Megatron's); only the input of each block kept."""

TENSOR: Final = (1, 2, 4, 8)
MICRO_BATCHES: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
STAGED_MICRO_BATCHES: Final = (1, 2, 4)
"""In a pipeline: larger ones lengthen the bubble."""
STAGES: Final = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
CHUNKS: Final = (1, 2, 4)
IDLE_LAYERS: Final = 0.15
"""Part of a pipeline's places for layers that may stay empty where the layers do not divide."""
NO_LAYERS: Final = 2
"""Chunks without a layer: of the embedding, of the loss (Llama 3, arXiv 2407.21783, 3.3.2)."""
EXPERTS_OVER: Final = (1, 2, 4, 8, 16, 32, 64)
LONG: Final = 32_768
"""Tokens of a sequence from which sharing them is looked at."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a plan takes for given; what is in doubt of it is another setup."""

    shape: ModelShape
    gpu: Gpu
    network: Network
    stack: SoftwareStack


@dataclass(slots=True, unsafe_hash=True)  # nobody changes one; see `memory.Memory`
class Layout:
    """One way to train a model on so many GPUs."""

    gpus: int
    partition: int
    """Ranks of a stage that share one copy of its state (MiCS group)."""
    tensor: int = 1
    """GPUs that share every matrix product, and the tokens between them."""
    micro_batch: int = 1
    """Sequences of one forward and backward pass."""
    accumulation: int = 1
    """Passes before the optimizer steps; in a pipeline its micro-batches."""
    activations: str = RECOMPUTED
    """`kept`, `selective` or `recomputed`."""
    hierarchical: bool = False
    """Whether weights are gathered between nodes first, then inside a node."""
    reshard: bool = True
    """Whether gathered weights are freed between forward and backward pass; a stage of a pipeline,
    through which many micro-batches pass, keeps them."""
    pipeline: int = 1
    """Stages, each with a part of the layers."""
    chunks: int = 1
    """Parts of the model that a stage holds: 1 is 1F1B, more are interleaved."""
    context: int = 1
    """Ranks that share the tokens of every sequence."""
    expert: int = 1
    """GPUs that a layer's experts are divided over, with those of `tensor`; each is, if need be."""

    @property
    def ranks(self) -> int:
        """Ranks of a stage: they see different tokens."""
        return self.gpus // (self.tensor * self.pipeline)

    @property
    def replicas(self) -> int:
        """Copies of the model state."""
        return self.ranks // self.partition

    @property
    def stage_group(self) -> int:
        """GPUs that hold one copy of a stage's state."""
        return self.partition * self.tensor

    @property
    def group(self) -> int:
        """GPUs that hold one copy of the model state."""
        return self.stage_group * self.pipeline

    @property
    def sequences(self) -> int:
        """Sequences of one optimizer step."""
        return self.micro_batch * self.accumulation * self.ranks // self.context

    @property
    def experts_over(self) -> int:
        """GPUs that a layer's experts are divided over."""
        return max(self.expert, self.tensor)

    @property
    def waiting(self) -> float:
        """Passes that a stage waits for at the start and the end of a step (the bubble).

        (p-1)/v of Narayanan et al. 2021, arXiv 2104.04473, section 2.2.
        """
        return (self.pipeline - 1) / self.chunks

    @property
    def in_flight(self) -> tuple[float, float]:
        """Micro-batches whose activations the first and the last stage keep.

        1F1B: one for each stage, and one; interleaved, the first 1 + (p-1)/pv times as many
        (Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.3).
        """
        p, v, m = self.pipeline, self.chunks, float(self.accumulation)
        first = p + (p - 1) / v if v > 1 else p
        return min(m, first), min(m, p - (p - 1) / v)

    def stage_layers(self, layers: int) -> int:
        """Return the layers of the fullest stage."""
        parts = self.pipeline * self.chunks
        return -(-layers // parts) * self.chunks


class Kind(NamedTuple):
    """A way to train that leaves the partition size open."""

    tensor: int
    micro_batch: int
    """Sequences of one pass."""
    activations: str
    pipeline: int = 1
    chunks: int = 1
    context: int = 1
    expert: int = 1

    @property
    def gpus_of_a_rank(self) -> int:
        """GPUs that work on the same tokens, stage after stage and side by side."""
        return self.tensor * self.pipeline

    def layout(self, partition: int, gpus: int, accumulation: int, per_node: int) -> Layout:
        return Layout(
            gpus,
            partition,
            self.tensor,
            self.micro_batch,
            accumulation,
            self.activations,
            partition * self.tensor > per_node,
            self.pipeline == 1,
            self.pipeline,
            self.chunks,
            self.context,
            self.expert,
        )


class Candidate(NamedTuple):
    """A layout that fits."""

    rate: float
    kind: Kind
    accumulation: int
    partition: int
    """Ranks of a stage that share one copy of its state."""

    @property
    def group(self) -> int:
        """GPUs that hold one copy of the model state."""
        return self.partition * self.kind.gpus_of_a_rank

    @property
    def simplicity(self) -> tuple[int, ...]:
        kind = self.kind
        return kind.context, kind.tensor, kind.expert, self.group


@dataclass(frozen=True, slots=True)
class Only:
    """What a layout must be like; what is None is searched for."""

    group: int | None = None
    """GPUs that hold one copy of the model state."""
    tensor: int | None = None
    micro_batch: int | None = None
    """Sequences of one pass."""
    activations: str | None = None
    pipeline: int | None = None
    chunks: int | None = None
    context: int | None = None
    expert: int | None = None


DEGREES: Final = attrgetter("tensor", "pipeline", "chunks", "context", "expert")
"""What a layout shares with its kind but for micro-batch and activations."""
OPTIONS_OF_A_LAYOUT: Final = {
    "group": "--partition",
    "tensor": "--tensor",
    "pipeline": "--pipeline",
    "chunks": "--interleave",
    "context": "--context",
    "expert": "--expert-parallel",
    "micro_batch": "--micro-batch",
}
"""Options of the command by the fields of `Only` that are numbers."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen of a model on some GPUs."""

    setup: Setup
    only: Only

    def degrees(self) -> tuple[int, ...]:
        """Return the tensor-parallel degrees that divide the heads and stay in a node."""
        shape, per_node = self.setup.shape, self.setup.network.gpus_per_node
        groups, own = shape.key_value_heads or shape.heads, self.only.tensor or 1
        if own % groups == 0 and not self.setup.stack.loss_chunks:
            groups = own  # Megatron copies heads of keys and values; it must be asked for
        return tuple(
            t
            for t in ((self.only.tensor,) if self.only.tensor else TENSOR)
            if t <= per_node and per_node % t == 0 and shape.heads % t == 0 and groups % t == 0
        )

    def stages(self) -> Iterator[tuple[int, int]]:
        """Yield the stages and chunks that the layers can be divided into."""
        own, layers = self.only, self.setup.shape.layers
        for p in (own.pipeline,) if own.pipeline else (1, *STAGES):
            for v in (own.chunks,) if own.chunks else CHUNKS if p > 1 else (1,):
                places = Layout(p, 1, pipeline=p, chunks=v).stage_layers(layers) * p
                asked = own.pipeline and own.chunks
                if p * v <= layers + NO_LAYERS and (asked or places <= layers * (1 + IDLE_LAYERS)):
                    yield p, v

    def experts_over(self, t: int) -> tuple[int, ...]:
        """Return the numbers of GPUs that a layer's experts can be divided over."""
        count = self.setup.shape.experts
        if not count:
            return (1,)
        asked = (self.only.expert,) if self.only.expert else EXPERTS_OVER
        count *= t if self.only.expert else 1  # parts of experts are only where they are asked for
        return tuple(e for e in asked if count % e == 0 and (e == 1 or e % t == 0))

    def contexts(self) -> tuple[int, ...]:
        if self.only.context:
            return (self.only.context,)
        return TENSOR if self.setup.shape.sequence >= LONG else (1,)

    def kinds(self) -> Iterator[list[Kind]]:
        """Yield kinds that differ in their micro-batch alone, the smallest first."""
        own = self.only
        ways = (own.activations,) if own.activations else ACTIVATIONS
        for t, (p, v), c in product(self.degrees(), self.stages(), self.contexts()):
            several = MICRO_BATCHES if p == 1 else STAGED_MICRO_BATCHES
            batches = (own.micro_batch,) if own.micro_batch else several
            for e, activations in product(self.experts_over(t), ways):
                yield [Kind(t, b, activations, p, v, c, e) for b in batches]


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the simplest of the layouts that are as good as the fastest.

    See `INDIFFERENCE` and `WORTH_A_PIPELINE`.
    """
    if not candidates:
        return None
    best = max(each.rate for each in candidates)
    without = [each for each in candidates if each.kind.pipeline == 1]
    whole = max((each.rate for each in without), default=0.0)
    if whole >= best * (1 - WORTH_A_PIPELINE):
        candidates, best = without, whole
    near = [each for each in candidates if each.rate >= best * (1 - INDIFFERENCE)]
    simplest = min(each.simplicity for each in near)
    return max((e for e in near if e.simplicity == simplest), key=lambda each: each.rate)


@cache
def partitions(ranks: int, per_node: int) -> tuple[int, ...]:
    """Return the partition sizes of so many ranks: parts of a node, or whole nodes."""
    return tuple(p for p in divisors(ranks) if p % per_node == 0 or per_node % p == 0)
