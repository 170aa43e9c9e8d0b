"""What is trained on what, how it is laid out over GPUs, and which layout is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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


@dataclass(frozen=True, slots=True)
class Setup:
    """What a plan takes for given; what is in doubt of it is another setup."""

    shape: ModelShape
    gpu: Gpu
    network: Network
    stack: SoftwareStack


@dataclass(frozen=True, slots=True)
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
    """GPUs over which the experts of a layer are divided, those of `tensor` among them."""

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
            gpus=gpus,
            partition=partition,
            tensor=self.tensor,
            micro_batch=self.micro_batch,
            accumulation=accumulation,
            activations=self.activations,
            hierarchical=partition * self.tensor > per_node,
            reshard=self.pipeline == 1,
            pipeline=self.pipeline,
            chunks=self.chunks,
            context=self.context,
            expert=self.expert,
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
