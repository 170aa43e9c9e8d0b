"""Bytes of GPU memory that a layout takes, item by item."""

from dataclasses import dataclass

from ultracluster.planner.layout import KEPT, RECOMPUTED, Layout, Setup
from ultracluster.planner.shape import ModelShape

MASTER_AND_MOMENTS = 12
"""Bytes per parameter: fp32 master weight and Adam's two moments."""
GRADIENT = 4
"""Bytes per parameter of the gradient that is reduced, fp32."""
WEIGHT = 2
CLOSING = 10
"""Bytes of a value of the stream that the last norm and the loss keep where it is in chunks: the
norm's two copies in fp32, and the gradient."""
WHOLE_STREAM = 8
"""Bytes of a value of the whole stream where GPUs share the output layer: gathered for the chunks,
cut into them, and the gradient in fp32."""


@dataclass(slots=True)  # frozen ones take five times as long to make, and a search makes thousands
class Memory:
    """Bytes on one GPU where the step takes most."""

    capacity: float
    """What the GPU has."""
    reserve: float
    """CUDA, NCCL and libraries."""
    parameters: float
    """The rank's part of the fp32 weights."""
    gradients: float
    """The rank's part of the gradients, then."""
    optimizer: float
    """The rank's part of Adam's moments."""
    activations: float
    """Kept for the backward pass."""
    working_layer: float
    """The layer that is being recomputed."""
    logits: float
    embeddings: float
    """Gathered embedding and output layer, and its gradient."""
    layer: float
    """One layer's gathered weights."""
    least_layers: float
    """Layers in flight that there must be."""
    live_layers: float
    """Layers in flight that fit, at most what the stack would like."""

    @property
    def fixed(self) -> float:
        state = self.reserve + self.parameters + self.gradients + self.optimizer
        return state + self.activations + self.working_layer + self.logits + self.embeddings

    @property
    def unsharded(self) -> float:
        return self.layer * self.live_layers

    @property
    def needed(self) -> float:
        """The least that it runs in."""
        return self.fixed + self.least_layers * self.layer

    @property
    def fits(self) -> bool:
        return self.needed <= self.capacity

    def shortage(self, wanted: float) -> float:
        """Return how many layers in flight there is no room for."""
        if not self.least_layers:
            return 0.0
        return max(0.0, wanted - max(0.0, self.capacity - self.fixed) / self.layer)

    def items(self) -> dict[str, float]:
        """Return the items in words, in the order they are shown."""
        return {
            "parameters (fp32 master)": self.parameters,
            "gradients": self.gradients,
            "optimizer (Adam moments)": self.optimizer,
            "activations": self.activations,
            "layer in work": self.working_layer,
            "logits and loss": self.logits,
            "gathered weights kept": self.embeddings,
            "layers in flight": self.unsharded,
            "CUDA, NCCL, libraries": self.reserve,
        }


def memory(setup: Setup, layout: Layout) -> Memory:
    """Return what one GPU of the fullest stage holds.

    The most is held either when the forward pass ends, with all activations and the logits but,
    without accumulation, no gradients yet; or when the backward pass ends. A stage of a pipeline
    keeps its weights, and the gradients of all micro-batches add up before they are reduced; so
    does ZeRO-1.
    """
    shape, stack, staged = setup.shape, setup.stack, layout.pipeline > 1
    once = stack.keeps_weights(layout.pipeline)
    t, layers = layout.tensor, layout.stage_layers(shape.layers)
    states = shape.parameters * layers / shape.layers / layout.stage_group
    tokens = layout.micro_batch * shape.sequence / layout.context
    kept, working = _activations(setup, layout)
    kept, working = tokens * kept / t, tokens * working / t
    activations, spare = layers * kept, layers * layout.pipeline - shape.layers
    if staged and stack.loss_chunks:  # PyTorch keeps what a stage sends on
        activations += WEIGHT * shape.hidden * tokens / t
    logits = _logits(setup, layout, tokens)
    if staged:
        # The first stage keeps most micro-batches, the last one the logits.
        first, last = layout.in_flight
        if spare > 1 and stack.loss_chunks:  # the second stage is the first with all its layers
            first = max(first - 1, first * layers / (layers + 1))
        logits = logits if last * activations + logits > first * activations else 0.0
        activations *= last if logits else first
    tables = shape.embedding_parameters / (t if stack.tables_divided else 1)
    tables /= 2 if staged and not shape.tied else 1
    in_layer = _in_layer(shape, layout)
    if staged:  # its first and last stage have a layer less where places for layers stay empty
        tables = max(0.0, tables - spare // 2 * in_layer)
    embeddings = WEIGHT * tables
    gradients = (stack.reduce_bytes if stack.zero_1 else GRADIENT) * (
        layers * in_layer + tables if once else states
    )
    if once or not layout.reshard:
        embeddings += WEIGHT * layers * in_layer
    early = gradients if once or layout.accumulation > 1 else 0.0
    held = (early, activations, logits, embeddings)
    if not once and activations + logits + early < gradients + embeddings:
        held = (gradients, 0.0, 0.0, 2 * embeddings)
    capacity, reserve = setup.gpu.memory, stack.reserve
    if layout.gpus > setup.network.gpus_per_node:
        reserve += stack.network_reserve
    copy = stack.reduce_bytes * in_layer
    reducing = 2 * copy + GRADIENT * states * (1 - 1 / layers)
    working = _in_work(setup, layout, working, logits, activations, reducing)
    parameters, optimizer = 4 * states, 8 * states
    if stack.weight_copy:  # what the model computes with; the optimizer has the fp32 weights
        parameters, optimizer = stack.weight_copy * states, MASTER_AND_MOMENTS * states
    fixed = reserve + parameters + optimizer + working + sum(held)
    layer = WEIGHT * in_layer
    least = 0.0 if once else stack.least_layers
    room = max(0.0, capacity - fixed) / layer
    return Memory(
        capacity=capacity,
        reserve=reserve,
        parameters=parameters,
        optimizer=optimizer,
        working_layer=working,
        gradients=held[0],
        activations=held[1],
        logits=held[2],
        embeddings=held[3],
        layer=layer,
        least_layers=least,
        live_layers=max(least, min(stack.live_layers, room)) if least else 0.0,
    )


def largest(setup: Setup, layout: Layout) -> float:
    """Return the bytes of the largest single tensor that comes and goes.

    It is a layer's or a table's gradient as it is reduced, or a part of the logits.
    """
    shape, stack, t = setup.shape, setup.stack, layout.tensor
    tokens = layout.micro_batch * shape.sequence / layout.context
    experts = shape.experts * shape.expert_parameters / layout.experts_over
    return max(
        # Experts are reduced apart from the rest.
        stack.reduce_bytes * (experts or _in_layer(shape, layout)),
        stack.reduce_bytes * shape.vocabulary * shape.hidden / (t if stack.tables_divided else 1),
        stack.logit_bytes * tokens * shape.vocabulary / t / (stack.loss_chunks or 1),
        _whole_stream(setup, layout, tokens) / 2,
    )


def _logits(setup: Setup, layout: Layout, tokens: float) -> float:
    """Return what the loss of a micro-batch keeps."""
    shape, stack, t = setup.shape, setup.stack, layout.tensor
    logits = stack.logit_bytes * tokens * shape.vocabulary / t
    if not stack.loss_chunks or layout.pipeline > 1:
        return logits
    closing, output = CLOSING * tokens * shape.hidden / t, float(shape.vocabulary * shape.hidden)
    if not stack.tables_divided:  # the whole gradient of the output layer, in 16 bits
        return closing + WEIGHT * output
    closing += _whole_stream(setup, layout, tokens)
    # The gradient of each chunk is reduced at once.
    return closing + logits / stack.loss_chunks + stack.reduce_bytes * output / t


def _whole_stream(setup: Setup, layout: Layout, tokens: float) -> float:
    """Return what the loss holds of the whole stream, half of it in one piece."""
    stack, alone = setup.stack, layout.tensor == 1 or layout.pipeline > 1
    if alone or not (stack.loss_chunks and stack.tables_divided):
        return 0.0
    return WHOLE_STREAM * tokens * setup.shape.hidden


def _in_work(  # noqa: PLR0917 - bytes of six kinds
    setup: Setup,
    layout: Layout,
    working: float,
    logits: float,
    activations: float,
    reducing: float,
) -> float:
    """Return what the layer in work takes beside all else, or what takes its place.

    Of the programs of `training/`: a stage reduces, after its last micro-batch, what has added up,
    two layers at a time; without stages the output layer's gradient is reduced before any layer is
    worked on again.
    """
    if not setup.stack.loss_chunks:
        return working
    if layout.pipeline > 1:
        return max(working, reducing - activations - logits)
    return max(0.0, working - logits) if setup.stack.tables_divided else working


def _in_layer(shape: ModelShape, layout: Layout) -> float:
    """Return the parameters that a GPU has of a whole layer, dense and mixed ones averaged."""
    experts = shape.experts * shape.expert_parameters * shape.share_of_mixed
    return shape.in_block / layout.tensor + experts / layout.experts_over


def _activations(setup: Setup, layout: Layout) -> tuple[float, float]:
    """Return the bytes that a token leaves in a layer, and those of the layer in work.

    Kept are attention with norms and residual stream (half of the stack's bytes, which are of a
    network four times as wide as the stream), and every product of the feed-forward network.
    """
    shape, stack = setup.shape, setup.stack
    h, queries, mixed = shape.hidden, shape.query_width, shape.share_of_mixed
    copies = shape.experts_per_token * mixed
    gated = (1 - mixed) * shape.gated * shape.inner
    gated += (copies + shape.shared_experts * mixed) * shape.expert_width
    plain = (1 - mixed) * (1 - shape.gated) * shape.inner
    whole = stack.activation_bytes / 2 * h + 4 * plain + 6 * gated + 4 * copies * h
    scores = 0.0 if stack.flash else 5.0 * shape.heads * shape.sequence
    if layout.activations == KEPT:
        return whole + scores, 0.0
    if layout.activations == RECOMPUTED:
        return float(WEIGHT * h), whole + scores
    if not stack.flash:
        return whole, scores
    if stack.zero_1:  # Megatron-Core: all but norms and activation functions
        kept = h + queries + shape.key_value_width + copies * (shape.expert_width + h / 2)
        kept += mixed * shape.shared_experts * shape.expert_width
        kept += (1 - mixed) * (1 + shape.gated) * shape.inner / 2
        return 2 * WEIGHT * kept, whole
    # Of a dense block's products the first (queries, keys, values), the third and the fifth; of a
    # mixed one half.
    heads = queries + 2 * shape.key_value_width
    dense = heads + (shape.inner + h if shape.gated else shape.inner)
    routed = (copies + shape.shared_experts * mixed) * shape.expert_width
    results = (1 - mixed) * dense + mixed * (heads + 2 * h) / 2 + routed + copies * h / 2
    return WEIGHT * (h + queries + results), whole
