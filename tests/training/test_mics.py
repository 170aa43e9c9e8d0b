"""MiCS keeps its word: the same result as one process, with exactly the promised traffic."""

import math
from collections import Counter

import pytest

from tests.training.training_cases import CASES

LAYERS, WIDTH, SEQUENCE, GLOBAL_BATCH = 2, 32, 16, 16
BYTES = 8
"""fp64."""
SPLIT = ("qkv", "out", "up", "down")
Traffic = Counter[tuple[str, int, int]]
"""How often each collective is done: (kind, ranks, bytes handed in)."""


def padded(shape: list[int], shards: int) -> int:
    """Return the elements of a tensor whose rows are padded to a multiple of the shards."""
    rows, *rest = shape
    return math.ceil(rows / shards) * shards * math.prod(rest)


def promised(seen, *, gathers_per_block: int = 2, hierarchical: int = 0) -> Traffic:
    """Return the collectives of one optimizer step: (kind, ranks, bytes handed in) -> count."""
    layout, g, shapes = seen["layout"], seen["micro_steps"], seen["shapes"]
    world, partition, tensor = layout["world"], layout["partition"], layout["tensor"]
    shards, replicas = partition // tensor, world // partition
    micro_batch = GLOBAL_BATCH // g // (world // tensor)

    def block_shape(name: str) -> list[int]:
        shape = list(shapes[f"blocks.0.{name}"])
        if name in SPLIT:
            shape[1 if name in {"out", "down"} else 0] //= tensor
        return shape

    names = (*SPLIT, "attention_norm", "mlp_norm")
    block = sum(padded(block_shape(name), shards) for name in names) * BYTES
    outside = [shape for name, shape in shapes.items() if not name.startswith("blocks.")]
    outer = sum(padded(shape, partition) for shape in outside) * BYTES

    wire: Traffic = Counter()

    def gathers(ranks: int, size: int, count: int) -> None:
        if hierarchical:
            wire["gather", ranks // hierarchical, size // ranks] += count
            wire["gather", hierarchical, size // hierarchical] += count
        else:
            wire["gather", ranks, size // ranks] += count

    if shards > 1:
        gathers(shards, block, g * LAYERS * gathers_per_block)
        wire["scatter", shards, block] += g * LAYERS
    if partition > 1:
        gathers(partition, outer, g)
        wire["scatter", partition, outer] += g
    wire["reduce", replicas, block // shards] += LAYERS
    wire["reduce", replicas, outer // partition] += 1
    if tensor > 1:
        tokens = micro_batch * SEQUENCE * WIDTH * BYTES
        wire["gather", tensor, tokens // tensor] += g * LAYERS * 4
        wire["scatter", tensor, tokens] += g * LAYERS * 4
        wire["reduce", tensor, WIDTH * BYTES] += g * LAYERS * 2
    wire["reduce", partition, BYTES] += 1  # norm of the gradient
    # Loss, whether to stop, whether the gradient is finite; of each rank where its time went, and
    # whether it writes a checkpoint.
    wire["reduce", world, (3 + 4 * world) * BYTES] += 1
    return wire


def counted(seen) -> Traffic:
    return Counter({(kind, ranks, size): n for kind, ranks, size, n in seen["wire"]})


def test_one_process_equals_the_reference(worlds):
    """The program's own kernels are right before any rank is added."""
    for positions in ("", "-rotary"):
        assert worlds[1][f"one{positions}"] < 1e-12
        assert worlds[1][f"moved{positions}"] > 1e-3, "nothing was learned: nothing was tested"


@pytest.mark.parametrize(("world", "partition", "tensor"), CASES)
def test_weights_equal_one_process(worlds, world, partition, tensor):
    """Partition size and tensor parallelism decide where state lies, never what comes out."""
    seen = worlds[world][f"{partition}x{tensor}"]
    assert seen["started"] == 0, "the seed gave other weights on this layout"
    assert seen["difference"] < 1e-12


@pytest.mark.parametrize(("world", "partition", "tensor"), CASES)
def test_collectives_are_exactly_those_promised(worlds, world, partition, tensor):
    """Gathers and scatters stay in the group; the replicas meet once per optimizer step."""
    seen = worlds[world][f"{partition}x{tensor}"]
    assert seen["micro_steps"] == 2 * tensor, "without accumulation the boundary is not tested"
    assert counted(seen) == promised(seen)


@pytest.mark.parametrize(
    "name",
    [
        "recompute",
        "keep gathered",
        "smaller micro-batch",
        "rotary",
        "rotary, tensor",
        "recompute, tensor",
        "hierarchical",
    ],
)
def test_settings_of_memory_and_speed_change_no_result(worlds, name):
    """They are for tuning; nobody should have to wonder what they do to the model."""
    for world in (4, 8):
        if name in worlds[world]:
            assert worlds[world][name]["difference"] < 1e-12
    assert name in worlds[4]


def test_recomputation_gathers_nothing_more(worlds):
    """It repeats a block inside the backward pass, where its weights are gathered already."""
    assert counted(worlds[4]["recompute"]) == counted(worlds[4]["2x1"])


def test_keeping_weights_saves_the_second_gather(worlds):
    seen = worlds[4]["2x1"]
    assert counted(worlds[4]["keep gathered"]) == promised(seen, gathers_per_block=1)


@pytest.mark.parametrize("world", [4, 8])
def test_hierarchical_gather_goes_between_nodes_first(worlds, world):
    """First m ranks of n/p bytes between nodes, then k ranks of m times as much inside."""
    seen = worlds[world][f"{world}x1"]
    assert counted(worlds[world]["hierarchical"]) == promised(seen, hierarchical=2)


def test_a_gradient_that_is_not_finite_changes_nothing(worlds):
    assert worlds[1]["not finite"] == {"norm": "nan", "difference": 0, "updates": 0}
