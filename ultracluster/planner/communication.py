"""Seconds that collectives take: bytes over the slowest link, and one latency for each hop."""

import math
from dataclasses import dataclass
from typing import Final

from ultracluster.planner.devices import Network
from ultracluster.planner.layout import Layout, Setup

ACTIVATION_BYTES = 2
"""Of a value that tensor-parallel ranks add up: bf16."""
TREE_SHARE: Final = 0.92
"""Bandwidth of NCCL's double binary trees over that of its rings (NVIDIA/nccl src/graph/tuning.cc,
ncclTopoTuneModel, read 2026-11)."""


@dataclass(frozen=True, slots=True)
class Communication:
    """Seconds of communication."""

    gather: float
    """Of weights, in one pass forward and backward."""
    reduce_scatter: float
    """Of gradients inside the partition group, in the same pass."""
    tensor: float
    """All-reduces of tensor-parallel ranks in the same pass; nothing hides them."""
    second_hop: float
    """All-reduce of gradients between groups, once in a step."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A group of ranks, of which `inside` share a node."""

    ranks: int
    inside: int

    @property
    def nodes(self) -> int:
        return self.ranks // self.inside


def ring(ranks: int, stride: int, network: Network) -> Ring:
    """Return how a group of consecutive ranks, `stride` apart, lies over nodes."""
    inside = max(1, min(ranks, network.gpus_per_node // stride))
    while ranks % inside:
        inside -= 1
    return Ring(ranks, inside)


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
    if p == 1:
        return 0.0, 0.0
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
    return Communication(*inside(setup, layout), second_hop(setup, layout))


def inside(setup: Setup, layout: Layout) -> tuple[float, float, float]:
    """Return the gathers, reduce-scatters and tensor-parallel all-reduces of one pass."""
    shape, network, stack, t = setup.shape, setup.network, setup.stack, layout.tensor
    size = shape.parameters / t
    group = ring(layout.partition, t, network)
    # t groups lie side by side on the same nodes, and so do all that fit into one node.
    lanes = max(1, network.gpus_per_node // group.inside) if group.nodes > 1 else 1
    units = shape.layers + 1
    weights = stack.weight_bytes * size
    carried, latency = one_way(
        weights, group, setup, shares=lanes, hierarchical=layout.hierarchical
    )
    gather = (2 if layout.reshard else 1) * (carried + units * latency)
    carried, latency = one_way(stack.reduce_bytes * size, group, setup, shares=lanes)
    reduce_scatter = carried + units * latency
    if t == 1:
        return gather, reduce_scatter, 0.0
    values = ACTIVATION_BYTES * layout.micro_batch * shape.sequence * shape.hidden
    carried, latency = one_way(values, ring(t, 1, network), setup, shares=1)
    # Two all-reduces forward and two backward in a block; one again where it is recomputed.
    count = 4 + (1 if stack.early_stop else 2) * layout.checkpointing
    return gather, reduce_scatter, shape.layers * count * 2 * (carried + latency)


def second_hop(setup: Setup, layout: Layout) -> float:
    """Return the all-reduce of gradients between groups, once in a step.

    NCCL takes the faster of rings, whose latency grows with the nodes, and double binary trees,
    whose latency grows with their logarithm (tuning.cc: 2 x (ranks of a node - 1 hops of NVLink
    and log2 of the nodes of the network)). Gathers and reduce-scatters know rings alone.
    """
    if layout.replicas == 1:
        return 0.0
    shape, network, stack = setup.shape, setup.network, setup.stack
    between = ring(layout.replicas, layout.group, network)
    lanes = max(1, network.gpus_per_node // between.inside) if between.nodes > 1 else 1
    size = stack.reduce_bytes * shape.parameters / layout.group
    carried, latency = one_way(size, between, setup, shares=lanes)
    units = shape.layers + 1
    rings = 2 * (carried + units * latency)
    if between.nodes == 1:
        return rings
    climb = (between.inside - 1) * network.link_hop_latency
    climb += math.floor(math.log2(between.nodes)) * network.hop_latency
    return min(rings, 2 * (carried / TREE_SHARE + units * (network.launch_latency + climb)))
