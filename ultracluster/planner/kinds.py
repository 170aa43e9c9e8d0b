"""The kinds of layouts that there are to look at: degrees, stages, micro-batches, activations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from ultracluster.planner.layout import ACTIVATIONS, Kind, Layout, Setup

TENSOR: Final = (1, 2, 4, 8)
MICRO_BATCHES: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
STAGED_MICRO_BATCHES: Final = (1, 2, 4)
"""In a pipeline: larger ones lengthen the bubble."""
STAGES: Final = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
CHUNKS: Final = (1, 2, 4)
IDLE_LAYERS: Final = 0.15
"""Part of a pipeline's places for layers that may stay empty where the layers do not divide."""
EXPERTS_OVER: Final = (1, 2, 4, 8, 16, 32, 64)
LONG: Final = 32_768
"""Tokens of a sequence from which sharing them is looked at."""


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
        groups = shape.key_value_heads or shape.heads
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
                if p * v <= layers and (asked or places <= layers * (1 + IDLE_LAYERS)):
                    yield p, v

    def experts_over(self, t: int) -> tuple[int, ...]:
        """Return the numbers of GPUs that a layer's experts can be divided over."""
        count = self.setup.shape.experts
        if not count:
            return (1,)
        asked = (self.only.expert,) if self.only.expert else EXPERTS_OVER
        return tuple(e for e in asked if count % e == 0 and (e == 1 or e % t == 0))

    def contexts(self) -> tuple[int, ...]:
        if self.only.context:
            return (self.only.context,)
        return TENSOR if self.setup.shape.sequence >= LONG else (1,)

    def kinds(self) -> Iterator[Kind]:
        own = self.only
        ways = (own.activations,) if own.activations else ACTIVATIONS
        for t, (p, v), c in product(self.degrees(), self.stages(), self.contexts()):
            several = MICRO_BATCHES if p == 1 else STAGED_MICRO_BATCHES
            batches = (own.micro_batch,) if own.micro_batch else several
            for e, b, activations in product(self.experts_over(t), batches, ways):
                yield Kind(t, b, activations, p, v, c, e)
