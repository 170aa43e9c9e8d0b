"""Seconds that one GPU computes in one forward and backward pass."""

from dataclasses import dataclass

from ultracluster.planner.layout import Layout, Setup

ATTENTION_TILE = 128
"""Rows of a tile of flash attention: causal work is done in whole tiles."""

SCORE_TRAFFIC = 8
"""Bytes that pass through memory for each score of a forward pass where attention keeps scores:
the product written, softmax reading and writing, the second product reading, 2 bytes each."""
UNFUSED_BACKWARD = 2
"""Backward over forward pass of attention that keeps its scores: nothing is computed again."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Seconds of one pass forward and backward, by what they are spent on."""

    products: float
    attention: float
    elementwise: float
    loss: float

    @property
    def seconds(self) -> float:
        return self.products + self.attention + self.elementwise + self.loss


def compute(setup: Setup, layout: Layout) -> Compute:
    """Return what a GPU computes in one pass over a micro-batch.

    A matrix product of m x n over depth k takes 2mn(k + ramp) / (peak x efficiency): its start
    and end cost as much as `gemm_ramp` of depth, which is what makes narrow models slow.
    """
    shape, gpu, stack = setup.shape, setup.gpu, setup.stack
    tensor, checkpointing = layout.tensor, layout.checkpointing
    tokens = layout.micro_batch * shape.sequence
    rate = gpu.peak * stack.gemm
    h, inner, ramp = shape.hidden, shape.inner, stack.gemm_ramp
    wide = (h + 2 * shape.key_value_width, (2 if shape.gated else 1) * inner)
    repeated = 2 if checkpointing else 1

    work = 0.0
    for n in wide:
        work += _product(tokens, n / tensor, h, ramp, forward=repeated)
    work += _product(tokens, h, h / tensor, ramp, forward=repeated)
    down = 1 if stack.early_stop else repeated
    work += _product(tokens, h, inner / tensor, ramp, forward=down)
    products = shape.layers * work / rate

    # The output layer is split over tensor-parallel ranks like every other product.
    loss = _product(tokens, shape.vocabulary / tensor, h, ramp, forward=1) / rate
    loss += stack.loss_traffic * tokens * shape.vocabulary / tensor / gpu.memory_bandwidth

    s = shape.sequence
    scores = shape.layers * shape.heads / tensor * layout.micro_batch * s
    if stack.flash:
        passes = repeated + stack.attention_backward
        scores *= (s + ATTENTION_TILE) / 2
        per_score = (4 * shape.head_size + stack.softmax) / (gpu.peak * stack.attention)
    else:
        passes = repeated + UNFUSED_BACKWARD
        scores *= s
        per_score = 4 * shape.head_size / (gpu.peak * stack.attention)
        per_score += SCORE_TRAFFIC / gpu.memory_bandwidth
    attention = passes * scores * per_score

    traffic = 1 + (stack.recompute_traffic if checkpointing else 0)
    widths = shape.layers * tokens * h / tensor
    elementwise = stack.elementwise * traffic * widths / gpu.memory_bandwidth
    return Compute(products, attention, elementwise, loss)


def _product(m: float, n: float, k: float, ramp: float, *, forward: int) -> float:
    """Return the FLOPs that a product costs as much as, forward passes and both of backward."""
    once = 2 * m * n * (k + ramp)
    to_input = 2 * m * k * (n + ramp)
    to_weight = 2 * n * k * (m + ramp)
    return forward * once + to_input + to_weight
