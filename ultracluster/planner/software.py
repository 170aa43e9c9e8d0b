"""The software that is planned for: what a GPU does with it, and how sure that is."""

from dataclasses import replace
from typing import Final

from ultracluster.planner.devices import BY_ROW, EFA_HOP, Gpu, Network
from ultracluster.planner.layout import Layout
from ultracluster.planner.measurement import RunMeasurement
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import SoftwareStack, faster, find

EFFICIENCY_2022: Final = 0.53
"""Middle of the 46 to 61 % of the line rate that p4d reached in 2022 (NVIDIA/nccl#527)."""

MEASURED: Final = RunMeasurement(
    shape=ModelShape(24, 2048, 16, 50_304, 2_048, learned_positions=True),
    layout=Layout(gpus=1, partition=1, micro_batch=16, checkpointing=False),
    gpu_name="NVIDIA H100 80GB HBM3",
    tokens_per_second=65_817,
    memory=74.0 * 2**30,
    steps=50,
)
"""The shipped training program on one H100, 2026-11-23 (docs/training/measurements.md)."""


SOFTWARE: Final = {
    "fsdp": "FSDP with flash attention, 2023; what the constants are fitted to",
    "compiled": "this project's training program, compiled; H100 and later",
    "2022": "no flash attention, whole blocks recomputed, EFA of 2022",
}
"""Kinds of training programs, as `--software` takes them."""


def known_on(gpu: Gpu, software: str) -> bool:
    """Return whether anything is known of a kind of software on a GPU."""
    return software != "compiled" or gpu.calibrated_by.startswith("h100")


def stack_for(gpu: Gpu, software: str) -> SoftwareStack:
    found = find(gpu.calibrated_by)
    if software == "2022":
        return replace(found, flash=False, early_stop=False)
    if software == "compiled":
        return faster(found, compiled_factor())
    return found


def compiled_factor() -> float:
    """Return how much of the fitted time the shipped training program takes on an H100."""
    gpu = BY_ROW["h100_80gb"]
    alone = Network(8, 400e9, 1.0, EFA_HOP)
    # On one GPU nothing is clipped over ranks or logged to others.
    stack = replace(find("h100_80gb"), step_overhead=0.0)
    return MEASURED.factor(gpu, alone, stack)


def network_for(network: Network, software: str) -> Network:
    return replace(network, efficiency=EFFICIENCY_2022) if software == "2022" else network
