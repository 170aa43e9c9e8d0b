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
    """A decoder-only transformer, dense or with mixtures of experts in its later blocks."""

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
    head_size: int = 0
    """Width of one head; 0 stands for the width divided by the heads."""
    experts: int = 0
    """Routed experts of a block; 0 for a dense model. Experts have a gate."""
    experts_per_token: int = 0
    expert_width: int = 0
    """Width inside one expert."""
    shared_experts: int = 0
    """Experts that every token passes, beside the routed ones."""
    dense_layers: int = 0
    """Blocks before the first that has experts."""
    parallel_block: bool = False
    """Whether attention and feed-forward network work on one input, side by side, so that
    tensor-parallel ranks add up but once (Falcon, GPT-NeoX)."""
    attention: int = 0
    """Parameters of a block's attention where its matrices are of low rank (DeepSeek's); 0 stands
    for the four matrices that the heads make."""

    @cached_property
    def head(self) -> int:
        return self.head_size or self.hidden // self.heads

    @cached_property
    def query_width(self) -> int:
        return self.head * self.heads

    @cached_property
    def inner(self) -> int:
        """Width inside the feed-forward network."""
        return self.feed_forward or 4 * self.hidden

    @cached_property
    def key_value_width(self) -> int:
        """Width of the keys, and of the values."""
        return self.head * (self.key_value_heads or self.heads)

    @cached_property
    def mixed_layers(self) -> int:
        """Blocks that have experts."""
        return self.layers - self.dense_layers if self.experts else 0

    @cached_property
    def expert_parameters(self) -> int:
        """Parameters of one expert."""
        return 3 * self.hidden * self.expert_width

    @cached_property
    def attention_parameters(self) -> int:
        """Parameters of a block's attention, with biases and norms (13 vectors of the width)."""
        if self.attention:
            return self.attention
        return 2 * self.hidden * (self.query_width + self.key_value_width) + 13 * self.hidden

    @cached_property
    def block_parameters(self) -> int:
        """Parameters of one dense block."""
        return self.attention_parameters + (3 if self.gated else 2) * self.hidden * self.inner

    def mixed_parameters(self, experts: float) -> float:
        """Return the parameters of a block that has so many routed experts."""
        router, passed = self.hidden * self.experts, experts + self.shared_experts
        return self.attention_parameters + router + passed * self.expert_parameters

    @cached_property
    def share_of_mixed(self) -> float:
        """Blocks that have experts, of all blocks."""
        return self.mixed_layers / self.layers

    @cached_property
    def in_block(self) -> float:
        """Parameters of a block without its routed experts, dense and mixed ones averaged."""
        return self.of_blocks(0) / self.layers

    def of_blocks(self, experts: float) -> float:
        """Return the parameters of all blocks with so many experts in each that has any."""
        mixed = self.mixed_layers
        dense = (self.layers - mixed) * self.block_parameters
        return dense + mixed * self.mixed_parameters(experts)

    @cached_property
    def embedding_parameters(self) -> int:
        """Parameters outside the blocks."""
        tables = self.vocabulary * (1 if self.tied else 2)
        tables += self.sequence if self.learned_positions else 0
        return (tables + 2) * self.hidden

    @cached_property
    def parameters(self) -> int:
        return round(self.of_blocks(self.experts)) + self.embedding_parameters

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that one token passes."""
        return round(self.of_blocks(self.experts_per_token)) + self.embedding_parameters

    @cached_property
    def model_flops_per_token(self) -> float:
        """FLOPs of a token: 6N + 12Lhs, attention counted as if it were not causal.

        PaLM, arXiv 2204.02311, appendix B; what MosaicML's tables and the training program count.
        Of a mixture of experts N is what one token passes.
        """
        return 6.0 * self.active_parameters + 12.0 * self.layers * self.query_width * self.sequence

    def problems(self) -> Iterator[Problem]:
        for field in ("layers", "hidden", "heads", "vocabulary", "sequence"):
            if not 1 <= (value := getattr(self, field)) <= LONGEST:
                yield Problem(f"--{field}", value, f"write a whole number from 1 to {LONGEST:,}")
                return
        if self.hidden % self.heads and not self.head_size:
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
        yield from self._of_experts()
        if not SMALLEST_PARAMETERS <= self.parameters <= 1.01 * LARGEST_PARAMETERS:
            fix = "a model of 1 million to 100 trillion parameters is planned for; change the shape"
            yield Problem("--layers, --hidden", f"{self.parameters:,} parameters", fix)

    def _of_experts(self) -> Iterator[Problem]:
        if not self.experts:
            if self.experts_per_token or self.expert_width or self.shared_experts:
                yield Problem("--experts", 0, "write how many experts a block has")
            return
        for option, value, low, high in (
            ("--experts", self.experts, 2, 65_536),
            ("--experts-per-token", self.experts_per_token, 1, self.experts),
            ("--expert-width", self.expert_width, 1, LONGEST),
            ("--shared-experts", self.shared_experts, 0, self.experts),
            ("--dense-layers", self.dense_layers, 0, self.layers - 1),
        ):
            if not low <= value <= high:
                yield Problem(option, value, f"write a whole number from {low:,} to {high:,}")
                return


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
