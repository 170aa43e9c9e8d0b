"""Partition sizes against the runs of the training program between network namespaces."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ultracluster.planner.communication import communicate
from ultracluster.planner.devices import BY_ROW, Network
from ultracluster.planner.layout import KEPT, Layout, Setup
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import find

MEASUREMENTS = Path(__file__).parents[2] / "docs" / "training" / "measurements.md"
PER_NODE, MICRO_STEPS = 2, 4
LINK = 300e6 / 8
"""Bytes/s that both ends of each link were held to."""
SHAPE = ModelShape(layers=4, hidden=256, heads=4, vocabulary=256, sequence=32)
# fp32 on CPU cores that share one memory: 4 bytes a weight, and nothing overlaps.
STACK = replace(find("a100_40gb"), weight_bytes=4, reduce_bytes=4)
CORES = replace(BY_ROW["a100_40gb"], link_bandwidth=2e9)
NETWORK = Network(PER_NODE, LINK, 1.0, hop_latency=200e-6, link_hop_latency=50e-6)
TIE = 0.02

LAYOUTS = {
    "ZeRO-3": (None, False),
    "ZeRO-3, hierarchical gather": (None, True),
    "MiCS, groups of 2 nodes": (4, False),
    "MiCS, groups of 1 node": (2, False),
}


def measured(nodes: int) -> dict[str, float]:
    """Return seconds a step of each layout, as docs/training/measurements.md has them."""
    text = MEASUREMENTS.read_text()
    table = re.search(rf"\| {nodes} nodes \| s/step.*?\n\n", text, re.DOTALL)
    assert table is not None
    rows = re.findall(r"^\| ([^|]+?) \| ([\d.]+) \|", table[0], re.MULTILINE)
    return {name: float(seconds) for name, seconds in rows}


def predicted(nodes: int, name: str) -> float:
    """Return the seconds that a layout communicates in a step."""
    world = nodes * PER_NODE
    partition, hierarchical = LAYOUTS[name]
    layout = Layout(
        world,
        partition or world,
        accumulation=MICRO_STEPS,
        activations=KEPT,
        hierarchical=hierarchical,
    )
    sent = communicate(Setup(SHAPE, CORES, NETWORK, STACK), layout)
    return MICRO_STEPS * sent.sharded.seconds + sent.second_hop


@pytest.mark.parametrize("nodes", [2, 4])
def test_partition_sizes_rank_as_they_did_when_they_were_run(nodes: int):
    """The promise of MiCS is a ranking; what is a tie on the wire may be one here."""
    seconds = measured(nodes)

    assert set(seconds) <= set(LAYOUTS)
    for one, of_one in seconds.items():
        for other, of_other in seconds.items():
            if of_one > of_other * (1 + TIE):
                assert predicted(nodes, one) > predicted(nodes, other), (one, other)


@pytest.mark.parametrize("nodes", [2, 4])
def test_what_the_network_costs_is_what_was_measured(nodes: int):
    """Between layouts only the network differs, so differences of steps are the network's."""
    seconds = measured(nodes)
    best = "MiCS, groups of 1 node"
    for name, of_it in seconds.items():
        extra = predicted(nodes, name) - predicted(nodes, best)
        assert extra == pytest.approx(of_it - seconds[best], rel=0.35, abs=0.1), name
