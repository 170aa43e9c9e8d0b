"""Bytes of GPU memory that a layout takes, item by item."""

from dataclasses import dataclass

from ultracluster.planner.layout import Layout, Setup

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
    live_layers: float
    """Layers in flight that fit, at most what the stack would like."""

    @property
    def fixed(self) -> float:
        return (
            self.reserve
            + self.parameters
            + self.gradients
            + self.optimizer
            + self.activations
            + self.working_layer
            + self.logits
            + self.embeddings
        )

    @property
    def unsharded(self) -> float:
        return self.layer * self.live_layers

    @property
    def needed(self) -> float:
        """The least that it runs in."""
        return self.fixed + LEAST_LIVE_LAYERS * self.layer

    @property
    def fits(self) -> bool:
        return self.needed <= self.capacity

    def shortage(self, wanted: float) -> float:
        """Return how many layers in flight there is no room for."""
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
            "embeddings, gathered": self.embeddings,
            "layers in flight": self.unsharded,
            "CUDA, NCCL, libraries": self.reserve,
        }


def memory(setup: Setup, layout: Layout) -> Memory:
    """Return what one GPU holds.

    The most is held either when the forward pass ends, with all activations and the logits but,
    without accumulation, no gradients yet; or when the backward pass ends.
    """
    shape, stack = setup.shape, setup.stack
    t, ranks = layout.tensor, layout.partition * layout.tensor
    tokens, width = layout.micro_batch * shape.sequence, shape.hidden
    states = shape.parameters / ranks
    whole = stack.activation_bytes * tokens * width / t
    if layout.checkpointing:
        activations, working = WEIGHT * shape.layers * tokens * width / t, whole
    else:
        activations, working = shape.layers * whole, 0.0
    if not stack.flash:
        scores = 5.0 * shape.heads / t * shape.sequence * tokens
        working += scores if layout.checkpointing else 0
        activations += 0 if layout.checkpointing else shape.layers * scores
    logits = stack.logit_bytes * tokens * shape.vocabulary / t
    embeddings = WEIGHT * shape.embedding_parameters / t
    layer = WEIGHT * shape.block_parameters / t
    if not layout.reshard:
        embeddings += WEIGHT * shape.layers * shape.block_parameters / t
    kept = GRADIENT * states
    forward = activations + logits + (kept if layout.accumulation > 1 else 0.0)
    backward = kept + embeddings
    forward_is_worst = forward >= backward
    capacity, reserve = setup.gpu.memory, stack.reserve
    if layout.gpus > setup.network.gpus_per_node:
        reserve += stack.network_reserve
    held = {
        "gradients": (kept if layout.accumulation > 1 else 0.0) if forward_is_worst else kept,
        "activations": activations if forward_is_worst else 0.0,
        "logits": logits if forward_is_worst else 0.0,
        "embeddings": embeddings if forward_is_worst else 2 * embeddings,
    }
    fixed = reserve + MASTER_AND_MOMENTS * states + working + sum(held.values())
    room = max(0.0, capacity - fixed) / layer
    return Memory(
        capacity=capacity,
        reserve=reserve,
        parameters=4 * states,
        optimizer=8 * states,
        working_layer=working,
        layer=layer,
        live_layers=max(float(LEAST_LIVE_LAYERS), min(stack.live_layers, room)),
        **held,
    )
