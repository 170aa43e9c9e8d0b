"""Seconds of one optimizer step, and what they are spent on."""

from dataclasses import dataclass
from typing import Final

from ultracluster.planner.communication import Communication, InPasses, Sending, communicate
from ultracluster.planner.layout import KEPT, RECOMPUTED, Kind, Layout, Setup
from ultracluster.planner.memory import Memory, memory

BACKWARD: Final = 2 / 3
"""Part of a pass that gradients can be reduced behind: two of three products are backward."""
ATTENTION_TILE = 128
"""Rows of a tile of flash attention: causal work is done in whole tiles."""

SCORE_TRAFFIC = 8
"""Bytes that pass through memory for each score of a forward pass where attention keeps scores:
the product written, softmax reading and writing, the second product reading, 2 bytes each."""
UNFUSED_BACKWARD = 2
"""Backward over forward pass of attention that keeps its scores: nothing is computed again."""
ROUTING_TRAFFIC = 16
"""Bytes of memory traffic for each copy of a token that goes to an expert, per unit of width: it
is written and read before the experts and after them, forward and backward, 2 bytes each."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Seconds of one pass of the slowest stage forward and backward, by what they are spent on."""

    products: float
    attention: float
    elementwise: float
    loss: float

    @property
    def seconds(self) -> float:
        return self.products + self.attention + self.elementwise + self.loss


def forwards(setup: Setup, layout: Layout) -> tuple[float, float]:
    """Return how often products and attention are computed forward, recomputation counted."""
    if layout.activations == RECOMPUTED:
        return 2.0, 2.0
    if layout.activations == KEPT:
        return 1.0, 1.0
    if setup.stack.zero_1:
        return 1.0, 1.0
    return (1.5, 1.0) if setup.stack.flash else (1.0, 2.0)


def compute(setup: Setup, layout: Layout) -> Compute:
    """Return what a GPU computes in one pass over a micro-batch.

    A matrix product of m x n over depth k takes 2mn(k + ramp) / (peak x efficiency): its start
    and end cost as much as `gemm_ramp` of depth, which is what makes narrow models slow.
    """
    shape, gpu, stack = setup.shape, setup.gpu, setup.stack
    tokens = layout.micro_batch * shape.sequence / layout.context
    repeated, attended = forwards(setup, layout)
    layers, t = layout.stage_layers(shape.layers), layout.tensor
    rate = gpu.peak * stack.gemm
    slower = stack.divided if t * layout.pipeline > 1 else 1.0
    products = layers * _layer(setup, layout, tokens, repeated) / rate
    scores = layers * shape.heads / t * tokens
    if stack.flash:
        passes = attended + stack.attention_backward
        scores *= (shape.sequence + ATTENTION_TILE) / 2
        per_score = (4 * shape.head + stack.softmax) / (gpu.peak * stack.attention)
    else:
        passes = attended + UNFUSED_BACKWARD
        scores *= shape.sequence
        per_score = 4 * shape.head / (gpu.peak * stack.attention)
        per_score += SCORE_TRAFFIC / gpu.memory_bandwidth
    attention = passes * scores * per_score
    traffic = stack.elementwise * (1 if layout.activations == KEPT else 1 + stack.recompute_traffic)
    traffic += ROUTING_TRAFFIC * shape.experts_per_token * shape.mixed_layers / shape.layers
    elementwise = traffic * layers * tokens * shape.hidden / t / gpu.memory_bandwidth
    # The output layer is split over tensor-parallel ranks like every other product.
    loss = _product(tokens, shape.vocabulary / t, shape.hidden, stack.gemm_ramp, forward=1) / rate
    loss += stack.loss_traffic * tokens * shape.vocabulary / t / gpu.memory_bandwidth
    spare = min(layers, layers * layout.pipeline - shape.layers)
    if spare:
        # The last stage may have fewer layers than the fullest; the loss takes their places.
        loss = max(0.0, loss - spare * (products + attention + elementwise) / layers)
    return Compute(products * slower, attention * slower, elementwise * slower, loss * slower)


def _layer(setup: Setup, layout: Layout, tokens: float, repeated: float) -> float:
    """Return the FLOPs that one layer's products cost as much as, dense and mixed ones averaged."""
    shape, t, ramp = setup.shape, layout.tensor, setup.stack.gemm_ramp
    h, early = shape.hidden, setup.stack.early_stop and layout.activations == RECOMPUTED
    queries = shape.query_width / t + 2 * max(shape.head, shape.key_value_width / t)
    if shape.attention:  # of low rank: as one product of as many parameters
        work = _product(tokens, shape.attention / h / t, h, ramp, forward=repeated)
    else:
        work = _product(tokens, queries, h, ramp, forward=repeated)
        work += _product(tokens, h, shape.query_width / t, ramp, forward=repeated)

    def network(rows: float, width: float, *, gated: bool) -> float:
        up = _product(rows, (2 if gated else 1) * width, h, ramp, forward=repeated)
        return up + _product(rows, h, width, ramp, forward=1 if early else repeated)

    mixed = shape.mixed_layers / shape.layers
    if mixed < 1:
        work += (1 - mixed) * network(tokens, shape.inner / t, gated=shape.gated)
    if mixed:
        # Every GPU has some whole experts, for the tokens of all its peers; or a part of each.
        over = layout.expert
        parts = max(1.0, over / shape.experts) if over > 1 else t
        peers = max(1.0, over / t)
        rows = tokens * peers * shape.experts_per_token / shape.experts
        routed = network(rows, shape.expert_width / parts, gated=True)
        shared = network(tokens, shape.shared_experts * shape.expert_width / t, gated=True)
        work += mixed * (max(1.0, shape.experts / over) * routed + shared)
    return work


def _product(m: float, n: float, k: float, ramp: float, *, forward: float) -> float:
    """Return the FLOPs that a product costs as much as, forward passes and both of backward."""
    once = 2 * m * n * (k + ramp)
    to_input = 2 * m * k * (n + ramp)
    to_weight = 2 * n * k * (m + ramp)
    return forward * once + to_input + to_weight


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step."""

    setup: Setup
    layout: Layout
    computing: Compute
    """Of one pass."""
    sending: Communication
    """Of one pass, and the second hop."""
    holding: Memory
    micro: float
    """Seconds of one pass, overlap and shortage of memory counted."""
    ending: float
    """Seconds more of a step, for what is sent once in it."""
    optimizer: float
    shortage: float
    """Seconds of the step that scarce memory costs."""

    @property
    def seconds(self) -> float:
        passes = self.layout.accumulation + self.layout.waiting
        return passes * self.micro + self.ending + self.optimizer

    @property
    def times_sharded(self) -> int:
        """How often in a step weights are gathered and gradients reduced inside the group."""
        once = self.setup.stack.keeps_weights(self.layout.pipeline)
        return 1 if once else self.layout.accumulation

    @property
    def computed(self) -> float:
        return self.layout.accumulation * self.computing.seconds

    @property
    def bubble(self) -> float:
        """Seconds of the step that a stage waits for the others."""
        return self.layout.waiting * self.micro

    @property
    def exposed(self) -> float:
        """Seconds of the step that wait for the network, or are slowed down by it."""
        rest = self.seconds - self.computed - self.optimizer - self.shortage - self.bubble
        return max(0.0, rest)

    @property
    def tokens_per_second(self) -> float:
        """Of all GPUs."""
        return self.layout.sequences * self.setup.shape.sequence / self.seconds

    @property
    def model_tflops(self) -> float:
        """TFLOPS per GPU that the model needs: recomputation not counted."""
        rate = self.tokens_per_second / self.layout.gpus
        return rate * self.setup.shape.model_flops_per_token / 1e12

    @property
    def hardware_tflops(self) -> float:
        """TFLOPS per GPU as papers count them that add what is computed again."""
        repeated, _ = forwards(self.setup, self.layout)
        return self.model_tflops * (repeated + 2) / 3


def in_the_way(computing: Compute, sending: InPasses) -> float:
    """Return the seconds of a pass in which a GPU computes, or waits for what nothing hides.

    Attention computes on one block of keys while the next one comes.
    """
    late = max(0.0, sending.context - computing.attention)
    return computing.seconds + sending.tensor + sending.experts + sending.stages + late


def passes(
    setup: Setup, kind: Kind | Layout, busy: float, sending: Sending, hop: float
) -> tuple[float, float]:
    """Return the seconds of a pass, and what is sent once adds to a step; memory is plentiful.

    The longer of computing and sending, and what sending costs computing beside it. The first
    layer's weights and the last one's gradients have nothing to hide behind. A pipeline gathers
    before its first micro-batch and reduces after its last, and nothing but ZeRO-1 hides that.
    """
    in_pass, stack = sending.seconds, setup.stack
    if stack.keeps_weights(kind.pipeline):
        sent = in_pass + hop
        return busy, _not_hidden(setup, kind, busy, sent) if stack.zero_1 else sent
    slowed = stack.exposed * min(busy, sending.passed_on) + in_pass / setup.shape.layers
    micro = max(busy, in_pass) + slowed + stack.late * min(busy, sending.outside)
    after = max(0.0, in_pass + hop - BACKWARD * busy) if hop else 0.0
    return micro, max(stack.late * hop, after)


def _not_hidden(setup: Setup, kind: Kind | Layout, busy: float, sent: float) -> float:
    """Return the seconds of a step's gathers and reductions that no pass hides.

    All but one part goes beside the first pass and the last. A part is a layer; or an interleaved
    stage's chunk, and as many micro-batches as there are stages pass between two of those (NeMo
    user guide 25.02, "Communication overlap"; Narayanan et al. 2021, section 2.2).
    """
    parts, window = kind.chunks, kind.pipeline * busy
    if parts == 1:
        parts, window = max(1, setup.shape.layers // kind.pipeline), busy
    return max(sent / parts, sent - window * (1 - 1 / parts))


def optimizing(setup: Setup, layout: Layout) -> float:
    """Return the seconds of the optimizer, and of what surrounds a step."""
    stack, layers = setup.stack, layout.stage_layers(setup.shape.layers)
    states = setup.shape.parameters * layers / setup.shape.layers / layout.stage_group
    return stack.optimizer_traffic * states / setup.gpu.memory_bandwidth + stack.step_overhead


def step(setup: Setup, layout: Layout) -> Step:
    """Return one optimizer step of a layout, whether or not it fits into memory."""
    computing, sending = compute(setup, layout), communicate(setup, layout)
    holding, stack = memory(setup, layout), setup.stack
    busy = in_the_way(computing, sending.passing)
    short = busy * stack.shortage * holding.shortage(stack.live_layers)
    micro, ending = passes(setup, layout, busy, sending.sharded, sending.second_hop)
    return Step(
        setup,
        layout,
        computing,
        sending,
        holding,
        micro=micro + short,
        ending=ending,
        optimizer=optimizing(setup, layout),
        shortage=short * layout.accumulation,
    )
