"""Time of collectives: bytes over the slowest link, and one latency per hop."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from ultracluster.planner.devices import Network
from ultracluster.planner.layout import RECOMPUTED, Layout, Setup

ACTIVATION_BYTES = 2
"""Of a value that tensor-parallel ranks add up: bf16."""
LEAST_BUCKET: Final = 40e6
BUCKET_OF_A_RANK: Final = 1e6
"""Parameters that Megatron-Core sends in one call, at least and for each rank
(core/distributed/distributed_data_parallel_config.py, read 2026-11-28)."""
TREE_SHARE: Final = 0.92
"""Bandwidth of NCCL's double binary trees over that of its rings (NVIDIA/nccl src/graph/tuning.cc,
ncclTopoTuneModel, read 2026-11)."""


class Sending(NamedTuple):
    """Seconds that a partition group sends in every pass; once a step where weights are kept."""

    gather: float
    """Of weights, forward and backward."""
    reduce_scatter: float
    """Of gradients."""
    passed_on: float
    """Seconds that NVLink alone would take for all that: every GPU of a ring passes it on, and that
    is what slows its computing down."""
    outside: float
    """Seconds of it that cross the network."""

    @property
    def seconds(self) -> float:
        return self.gather + self.reduce_scatter


class InPasses(NamedTuple):
    """Seconds that a GPU sends what belongs to the tokens of one pass."""

    tensor: float
    """All-reduces of tensor-parallel ranks; nothing hides them."""
    experts: float
    """Tokens to experts and back; nothing hides it."""
    stages: float
    """Activations and their gradients from stage to stage; nothing hides it."""
    context: float
    """Keys and values of other ranks, which come while attention computes."""


@dataclass(frozen=True, slots=True)
class Communication:
    """Seconds of communication."""

    sharded: Sending
    """Weights and gradients inside the partition group."""
    passing: InPasses
    """In one pass."""
    second_hop: float
    """All-reduce of gradients between groups, once in a step."""


class Ring(NamedTuple):
    """A group of ranks, of which `inside` share a node."""

    ranks: int
    inside: int
    nodes: int


def ring(ranks: int, stride: int, network: Network) -> Ring:
    """Return how a group of consecutive ranks, `stride` apart, lies over nodes."""
    inside = max(1, min(ranks, network.gpus_per_node // stride))
    while ranks % inside:
        inside -= 1
    return Ring(ranks, inside, ranks // inside)


def one_way(
    size: float, group: Ring, setup: Setup, *, shares: int, hierarchical: bool = False
) -> tuple[float, float]:
    """Return seconds by bytes and by latency of an all-gather or reduce-scatter.

    Args:
        size: Bytes of the whole, as every rank of the group has it afterwards.
        group: Who takes part.
        setup: NVLink inside a node, and the network between nodes.
        shares: Groups like this one that use the same node's cards at the same time.
        hierarchical: Between nodes first: each card then carries only what its node lacks.
    """
    p, k, network = group.ranks, group.inside, setup.network
    link = setup.gpu.link_bandwidth
    if group.nodes == 1:
        latency = network.launch_latency + (p - 1) * network.link_hop_latency
        return size * (p - 1) / p / link, latency
    wire = network.bandwidth / shares
    if hierarchical and k > 1:
        between = size * (p - k) / p / wire
        within = size * (k - 1) / k / link
        latency = 2 * network.launch_latency + (group.nodes - 1) * network.hop_latency
        return between + within, latency + (k - 1) * network.link_hop_latency
    latency = network.launch_latency + (group.nodes - 1) * network.hop_latency
    latency += (p - group.nodes) * network.link_hop_latency
    # A ring enters and leaves each node once; the slower of card and NVLink holds it up.
    return size * (p - 1) / p / min(wire, link), latency


def communicate(setup: Setup, layout: Layout) -> Communication:
    """Return what the ranks of a layout send.

    With M bytes of weights: two gathers of M and one reduce-scatter of the gradients in every pass
    inside the group, and once a step an all-reduce of each rank's own part between the groups.
    MiCS, arXiv 2205.00119; DeepSpeed mics.py does the same.
    """
    return Communication(inside(setup, layout), in_passes(setup, layout), second_hop(setup, layout))


def in_passes(setup: Setup, layout: Layout) -> InPasses:
    """Return what ranks send that share tokens, layers or the sequence."""
    return InPasses(
        tensor(setup, layout),
        experts(setup, layout),
        stages(setup, layout),
        context(setup, layout),
    )


def inside(setup: Setup, layout: Layout) -> Sending:
    """Return the gathers and reduce-scatters of a stage's group.

    Experts lie over other GPUs than the rest, and have rings of their own.
    """
    shape, network, stack = setup.shape, setup.network, setup.stack
    layers, t, over = layout.stage_layers(shape.layers), layout.tensor, layout.experts_over
    of_experts = shape.experts * shape.expert_parameters * shape.mixed_layers / shape.layers
    dense = layers / shape.layers * (shape.parameters - of_experts * shape.layers)
    gathers = 2 if layout.reshard and not stack.keeps_weights(layout.pipeline) else 1
    gather = reduce_scatter = passed_on = 0.0
    for size, stride in ((dense / t, t), (layers * of_experts / over, over)):
        ranks = layout.stage_group // stride
        if not size or ranks <= 1:
            continue
        group = ring(ranks, stride, network)
        # Groups lie side by side on the same nodes, and so do all that fit into one node.
        lanes = max(1, network.gpus_per_node // group.inside) if group.nodes > 1 else 1
        carried, latency = one_way(
            stack.weight_bytes * size, group, setup, shares=lanes, hierarchical=layout.hierarchical
        )
        calls = layers + 1.0
        if stack.zero_1:
            calls = math.ceil(size / max(LEAST_BUCKET, ranks * BUCKET_OF_A_RANK))
        gather += gathers * (carried + calls * latency)
        carried, latency = one_way(stack.reduce_bytes * size, group, setup, shares=lanes)
        reduce_scatter += carried + calls * latency
        moved = gathers * stack.weight_bytes + stack.reduce_bytes
        passed_on += moved * size * (ranks - 1) / ranks / setup.gpu.link_bandwidth
    outside = gather + reduce_scatter if layout.stage_group > network.gpus_per_node else 0.0
    return Sending(gather, reduce_scatter, passed_on, outside)


def _tokens(setup: Setup, layout: Layout) -> float:
    """Return the tokens that a rank has of a micro-batch."""
    return layout.micro_batch * setup.shape.sequence / layout.context


def tensor(setup: Setup, layout: Layout) -> float:
    """Return the all-reduces of one pass; a gather and a reduce-scatter send as much."""
    t = layout.tensor
    if t == 1:
        return 0.0
    values = ACTIVATION_BYTES * _tokens(setup, layout) * setup.shape.hidden
    carried, latency = one_way(values, ring(t, 1, setup.network), setup, shares=1)
    # Two of each forward and two backward in a block, of one input half of that; where it is
    # recomputed two more, but for the last reduce-scatter, whose result nothing needs.
    once = 1 if setup.shape.parallel_block else 2
    again = 2 * once - setup.stack.early_stop
    count = 4 * once + again * (layout.activations == RECOMPUTED)
    return layout.stage_layers(setup.shape.layers) * count * (carried + latency)


def experts(setup: Setup, layout: Layout) -> float:
    """Return the all-to-alls of one pass: to the experts and back, forward and backward."""
    shape, network, over = setup.shape, setup.network, layout.expert
    if not shape.experts or over == 1:
        return 0.0
    inside_a_node = min(over, network.gpus_per_node)
    copies = _tokens(setup, layout) / layout.tensor * shape.experts_per_token
    values = ACTIVATION_BYTES * copies * shape.hidden
    seconds = values * (inside_a_node - 1) / over / setup.gpu.link_bandwidth
    latency = network.launch_latency + network.link_hop_latency
    if over > inside_a_node:
        outside = values * (over - inside_a_node) / over
        seconds = max(seconds, outside * network.gpus_per_node / network.bandwidth)
        latency = network.launch_latency + network.hop_latency
    # Ranks that share an expert gather its tokens, and add up what each makes of them.
    seconds += values * max(0, over // shape.experts - 1) / setup.gpu.link_bandwidth
    layers = layout.stage_layers(shape.layers) * shape.mixed_layers / shape.layers
    times = 6 if layout.activations == RECOMPUTED else 4
    return layers * times * (seconds + latency)


def context(setup: Setup, layout: Layout) -> float:
    """Return the keys and values that go round the ranks of a sequence, and their gradients."""
    shape, network, c = setup.shape, setup.network, layout.context
    if c == 1:
        return 0.0
    group = ring(c, layout.tensor, network)
    lanes = max(1, network.gpus_per_node // group.inside) if group.nodes > 1 else 1
    values = 2 * ACTIVATION_BYTES * _tokens(setup, layout) * c
    values *= max(shape.head, shape.key_value_width / layout.tensor)
    carried, latency = one_way(values, group, setup, shares=lanes)
    # Forward once, backward the values again and their gradients.
    times = 4 if layout.activations == RECOMPUTED else 3
    return layout.stage_layers(shape.layers) * times * (carried + latency)


def stages(setup: Setup, layout: Layout) -> float:
    """Return what one micro-batch sends to the next stage and gets back, once for each chunk.

    Tensor-parallel ranks send a part each, so that a node sends every value once (Narayanan et al.
    2021, section 4.1); what lies in one node goes over NVLink.
    """
    p, network = layout.pipeline, setup.network
    if p == 1 or (setup.stack.zero_1 and layout.chunks > 1):
        return 0.0
    size = ACTIVATION_BYTES * _tokens(setup, layout) * setup.shape.hidden / layout.tensor
    if layout.gpus <= network.gpus_per_node:
        each = size / setup.gpu.link_bandwidth + network.launch_latency + network.link_hop_latency
    else:
        each = size * network.gpus_per_node / network.bandwidth + network.hop_latency
    return 2 * layout.chunks * each


def second_hop(setup: Setup, layout: Layout) -> float:
    """Return the all-reduce of gradients between groups, once in a step.

    NCCL takes the faster of rings, whose latency grows with the nodes, and double binary trees,
    whose latency grows with their logarithm (tuning.cc: 2 x (ranks of a node - 1 hops of NVLink
    and log2 of the nodes of the network)). Gathers and reduce-scatters know rings alone.
    """
    if layout.replicas == 1:
        return 0.0
    shape, network, stack = setup.shape, setup.network, setup.stack
    between = ring(layout.replicas, layout.stage_group, network)
    lanes = max(1, network.gpus_per_node // between.inside) if between.nodes > 1 else 1
    layers = layout.stage_layers(shape.layers)
    values = shape.parameters * layers / shape.layers
    if stack.loss_chunks and stack.tables_divided and layout.pipeline == 1:
        # torchtitan's loss reduces the output layer's gradient after every micro-batch.
        values += (layout.accumulation - 1) * shape.vocabulary * shape.hidden
    size = stack.reduce_bytes * values / layout.stage_group
    carried, latency = one_way(size, between, setup, shares=lanes)
    rings = 2 * (carried + (layers + 1) * latency)
    if between.nodes == 1:
        return rings
    climb = (between.inside - 1) * network.link_hop_latency
    climb += math.floor(math.log2(between.nodes)) * network.hop_latency
    trees = carried / TREE_SHARE + (layers + 1) * (network.launch_latency + climb)
    return min(rings, 2 * trees)
