"""The shape of a decoder-only transformer, and how many parameters and FLOPs it has."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ultracluster.catalogue.sharding import divisors
from ultracluster.problem import Problem

HEAD_SIZE: Final = 128
"""Size of a head where none is given: that of GPT-3 175B, PaLM, Llama and MPT."""

ASPECT: Final = 110
"""Width over depth where no shape is given: 102 to 128 in MPT 7B to 70B, 110 in BloombergGPT."""

HEADS_TOGETHER: Final = ((1e11, 8), (5e9, 4), (0.0, 1))
"""From which size on how many heads come together, so that tensor parallelism can share them."""

SMALLEST_PARAMETERS: Final = 1e6
LARGEST_PARAMETERS: Final = 1e14
LONGEST: Final = 2**24


@dataclass(frozen=True)
class ModelShape:
    """A decoder-only transformer with one kind of block."""

    layers: int
    hidden: int
    """Width of the residual stream."""
    heads: int
    vocabulary: int = 50_304
    """Rows of the embedding."""
    sequence: int = 2_048
    feed_forward: int = 0
    """Width inside the feed-forward network; 0 stands for four times `hidden`."""
    gated: bool = False
    """Whether the feed-forward network has a gate (SwiGLU), a third matrix."""
    key_value_heads: int = 0
    """Heads of keys and values; 0 stands for `heads`."""
    tied: bool = True
    learned_positions: bool = False
    """Whether positions are a table of `sequence` rows."""

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    @property
    def inner(self) -> int:
        """Width inside the feed-forward network."""
        return self.feed_forward or 4 * self.hidden

    @property
    def key_value_width(self) -> int:
        """Width of the keys, and of the values."""
        return self.head_size * (self.key_value_heads or self.heads)

    @cached_property
    def block_parameters(self) -> int:
        """Parameters of one block, with biases and norms (13 vectors of the width)."""
        attention = 2 * self.hidden * (self.hidden + self.key_value_width)
        return attention + (3 if self.gated else 2) * self.hidden * self.inner + 13 * self.hidden

    @cached_property
    def embedding_parameters(self) -> int:
        """Parameters outside the blocks."""
        tables = self.vocabulary * (1 if self.tied else 2)
        tables += self.sequence if self.learned_positions else 0
        return (tables + 2) * self.hidden

    @cached_property
    def parameters(self) -> int:
        return self.layers * self.block_parameters + self.embedding_parameters

    @property
    def model_flops_per_token(self) -> float:
        """FLOPs of a token: 6N + 12Lhs, attention counted as if it were not causal.

        PaLM, arXiv 2204.02311, appendix B; what MosaicML's tables and the training program count.
        """
        return 6.0 * self.parameters + 12.0 * self.layers * self.hidden * self.sequence

    def hardware_flops_per_token(self, *, checkpointing: bool) -> float:
        """FLOPs of a token as most papers count what the GPU did: a recomputed forward pass too."""
        return self.model_flops_per_token * (4 / 3 if checkpointing else 1.0)

    def problems(self) -> Iterator[Problem]:
        for field in ("layers", "hidden", "heads", "vocabulary", "sequence"):
            value = getattr(self, field)
            if not 1 <= value <= LONGEST:
                yield Problem(f"--{field}", value, f"write a whole number from 1 to {LONGEST:,}")
                return
        if self.hidden % self.heads:
            near = min(divisors(self.hidden), key=lambda d: abs(d - self.heads))
            fix = f"the width {self.hidden} must be a multiple of the heads; write {near}"
            yield Problem("--heads", self.heads, fix)
        if not 0 <= self.feed_forward <= LONGEST:
            fix = f"write a whole number from 1 to {LONGEST:,}"
            yield Problem("--feed-forward", self.feed_forward, fix)
        groups = self.key_value_heads
        if groups < 0 or (groups and self.heads % groups):
            fix = f"the {self.heads} heads must share them evenly; write a divisor of {self.heads}"
            yield Problem("--key-value-heads", groups, fix)
        if not SMALLEST_PARAMETERS <= self.parameters <= 1.01 * LARGEST_PARAMETERS:
            fix = "a model of 1 million to 100 trillion parameters is planned for; change the shape"
            yield Problem("--layers, --hidden", f"{self.parameters:,} parameters", fix)


def of_size(parameters: float, *, vocabulary: int = 50_304, sequence: int = 2_048) -> ModelShape:
    """Return a shape of about so many parameters, in the proportions that large models have.

    The width is about `ASPECT` times the depth, in whole heads of 128, and large models have heads
    that 4 or 8 GPUs can share; the depth then makes up the number. It is within 1 % of what was
    asked for above a billion parameters.
    """
    together = next(count for least, count in HEADS_TOGETHER if parameters >= least)
    step = HEAD_SIZE * together
    middle = (parameters * ASPECT / 12) ** (1 / 3)
    units = range(max(1, round(middle / step) - 8), round(middle / step) + 9)
    found = []
    for width in (unit * step for unit in units):
        per_block = 12 * width * width + 13 * width
        layers = max(1, round((parameters - vocabulary * width) / per_block))
        found.append(ModelShape(layers, width, width // HEAD_SIZE, vocabulary, sequence))
    return min(found, key=lambda shape: _strangeness(shape, parameters))


def _strangeness(shape: ModelShape, parameters: float) -> float:
    number = abs(math.log(shape.parameters / parameters))
    return number + 0.02 * abs(math.log(shape.hidden / shape.layers / ASPECT))
