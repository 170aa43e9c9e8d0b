"""The shape of a decoder-only transformer, and how many parameters and FLOPs it has."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from constructs_lib.spec.problem import Problem

HEAD_SIZE: Final = 128
"""Size of a head where none is given: that of GPT-3 175B, PaLM, Llama and MPT."""

ASPECT: Final = 110
"""Width over depth where no shape is given: 102 to 128 in MPT 7B to 70B, 110 in BloombergGPT."""

SMALLEST_PARAMETERS: Final = 1e6
LARGEST_PARAMETERS: Final = 1e14
LONGEST: Final = 2**24


@dataclass(frozen=True)
class ModelShape:
    """A decoder-only transformer with one kind of block.

    Attributes:
        layers: Blocks.
        hidden: Width of the residual stream.
        heads: Query heads.
        vocabulary: Rows of the embedding.
        sequence: Tokens of a sequence.
        feed_forward: Width inside the feed-forward network; 0 stands for four times `hidden`.
        gated: Whether the feed-forward network has a gate (SwiGLU), a third matrix.
        key_value_heads: Heads of keys and values; 0 stands for `heads`.
        tied: Whether the output reuses the embedding.
        learned_positions: Whether positions are a table of `sequence` rows.
    """

    layers: int
    hidden: int
    heads: int
    vocabulary: int = 50_304
    sequence: int = 2_048
    feed_forward: int = 0
    gated: bool = False
    key_value_heads: int = 0
    tied: bool = True
    learned_positions: bool = False

    @property
    def head_size(self) -> int:
        """Width of a head."""
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
        """All parameters."""
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
        """Yield what no transformer can be."""
        for field in ("layers", "hidden", "heads", "vocabulary", "sequence"):
            value = getattr(self, field)
            if not 1 <= value <= LONGEST:
                yield Problem(f"--{field}", value, f"write a whole number from 1 to {LONGEST:,}")
                return
        if self.hidden % self.heads:
            near = _nearest_divisor(self.hidden, self.heads)
            fix = f"the width {self.hidden} must be a multiple of the heads; write {near}"
            yield Problem("--heads", self.heads, fix)
        groups = self.key_value_heads
        if groups < 0 or (groups and self.heads % groups):
            fix = f"the {self.heads} heads must share them evenly; write a divisor of {self.heads}"
            yield Problem("--key-value-heads", groups, fix)
        if not SMALLEST_PARAMETERS <= self.parameters <= LARGEST_PARAMETERS:
            fix = "a model of 1 million to 100 trillion parameters is planned for; change the shape"
            yield Problem("--layers, --hidden", f"{self.parameters:,} parameters", fix)


def of_size(parameters: float, *, vocabulary: int = 50_304, sequence: int = 2_048) -> ModelShape:
    """Return a shape of about so many parameters, in the proportions that large models have.

    The width is `ASPECT` times the depth, rounded to whole heads of 128; the depth then makes up
    the number. It is within 1 % of what was asked for above a billion parameters.
    """
    # 12 * ASPECT^2 * L^3 parameters in the blocks, then one round for the embedding.
    blocks = parameters
    hidden = layers = 0
    for _ in range(8):
        depth = (blocks / (12 * ASPECT**2)) ** (1 / 3)
        hidden = max(1, round(ASPECT * depth / HEAD_SIZE)) * HEAD_SIZE
        blocks = max(parameters - vocabulary * hidden, parameters / 10)
    best = ModelShape(1, hidden, hidden // HEAD_SIZE, vocabulary, sequence)
    for width in range(max(1, hidden // HEAD_SIZE - 6), hidden // HEAD_SIZE + 7):
        h = width * HEAD_SIZE
        per_block = 12 * h * h + 13 * h
        layers = max(1, round((parameters - vocabulary * h) / per_block))
        shape = ModelShape(layers, h, width, vocabulary, sequence)
        # A tenth of the proportion's error is worth as much as the same error of the number.
        if _strangeness(shape, parameters) < _strangeness(best, parameters):
            best = shape
    return best


def _strangeness(shape: ModelShape, parameters: float) -> float:
    number = abs(math.log(shape.parameters / parameters))
    return number + 0.02 * abs(math.log(shape.hidden / shape.layers / ASPECT))


def _nearest_divisor(value: int, wanted: int) -> int:
    limit = math.isqrt(value) + 1
    small = [d for d in range(1, limit) if value % d == 0]
    divisors = {*small, *(value // d for d in small)}
    return min(divisors, key=lambda d: (abs(d - wanted), d))
