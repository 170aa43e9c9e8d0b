"""Bytes of GPU memory that a layout takes, item by item."""

from dataclasses import dataclass

from ultracluster.planner.layout import KEPT, RECOMPUTED, Layout, Setup
from ultracluster.planner.shape import ModelShape

MASTER_AND_MOMENTS = 12
"""Bytes per parameter: fp32 master weight and Adam's two moments."""
GRADIENT = 4
"""Bytes per parameter of the gradient kept between passes, fp32."""
WEIGHT = 2
LEAST_LIVE_LAYERS = 3
"""The layer in work, the one being gathered and the gradient being reduced: the least there is."""


@dataclass(frozen=True, slots=True)
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
    keeps its weights, and the gradients of all micro-batches add up before they are reduced.
    """
    shape, stack, staged = setup.shape, setup.stack, layout.pipeline > 1
    t, layers = layout.tensor, layout.stage_layers(shape.layers)
    states = shape.parameters * layers / shape.layers / layout.stage_group
    tokens = layout.micro_batch * shape.sequence / layout.context
    kept, working = (tokens * size / t for size in _activations(setup, layout))
    activations = layers * kept
    logits = stack.logit_bytes * tokens * shape.vocabulary / t
    if staged:
        # The first stage keeps most micro-batches, the last one the logits.
        first, last = layout.in_flight
        logits = logits if last * activations + logits > first * activations else 0.0
        activations *= last if logits else first
    tables = shape.embedding_parameters / t / (2 if staged and not shape.tied else 1)
    embeddings, in_layer = WEIGHT * tables, _in_layer(shape, layout)
    gradients = GRADIENT * (layers * in_layer + tables if staged else states)
    if staged or not layout.reshard:
        embeddings += WEIGHT * layers * in_layer
    early = gradients if staged or layout.accumulation > 1 else 0.0
    held = (early, activations, logits, embeddings)
    if not staged and activations + logits + early < gradients + embeddings:
        held = (gradients, 0.0, 0.0, 2 * embeddings)
    capacity, reserve = setup.gpu.memory, stack.reserve
    if layout.gpus > setup.network.gpus_per_node:
        reserve += stack.network_reserve
    fixed = reserve + MASTER_AND_MOMENTS * states + working + sum(held)
    layer = WEIGHT * in_layer
    least = 0.0 if staged else LEAST_LIVE_LAYERS
    room = max(0.0, capacity - fixed) / layer
    return Memory(
        capacity=capacity,
        reserve=reserve,
        parameters=4 * states,
        optimizer=8 * states,
        working_layer=working,
        layer=layer,
        least_layers=least,
        live_layers=max(least, min(stack.live_layers, room)) if least else 0.0,
        **dict(zip(("gradients", "activations", "logits", "embeddings"), held, strict=True)),
    )


def _in_layer(shape: ModelShape, layout: Layout) -> float:
    """Return the parameters that a GPU has of a whole layer, dense and mixed ones averaged."""
    experts = shape.experts * shape.expert_parameters * shape.mixed_layers / shape.layers
    rest = shape.of_blocks(0) / shape.layers
    return rest / layout.tensor + experts / layout.experts_over


def _activations(setup: Setup, layout: Layout) -> tuple[float, float]:
    """Return the bytes that a token leaves in a layer, and those of the layer in work.

    Kept are attention with norms and residual stream (half of the stack's bytes, which are of a
    network four times as wide as the stream), and every product of the feed-forward network.
    """
    shape, stack = setup.shape, setup.stack
    h, queries, mixed = shape.hidden, shape.query_width, shape.mixed_layers / shape.layers
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
    results = queries + 2 * shape.key_value_width + 2 * h + plain + 2 * gated + copies * h
    return WEIGHT * (h + queries) + WEIGHT * results / 2, whole
