"""The software that is planned for: what a GPU does with it, and how sure that is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ultracluster.planner.devices import Gpu, Network
from ultracluster.planner.stack import SoftwareStack, faster, find, program

EFFICIENCY_2022: Final = 0.53
"""Middle of the 46 to 61 % of the line rate that p4d reached in 2022 (NVIDIA/nccl#527)."""

SOFTWARE: Final = {
    "fsdp": "PyTorch FSDP with flash attention, gradients reduced in bf16",
    "compiled": "the same, compiled by torch: torchtitan, this project's program; H100 and later",
    "megatron": "Megatron-LM of 2021: no flash attention, whole blocks recomputed",
    "training": "this project's training program, to the byte; on H100 and later compiled",
    "torchtitan": "torchtitan as this project starts it, to the byte; on H100 and later compiled",
    "2022": "no flash attention, whole blocks recomputed, EFA of 2022",
}
"""Kinds of training programs, as `--software` takes them."""

PROGRAMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "training": {
        "reduce_bytes": 4,
        "least_layers": 5,
        "weight_copy": 2,
        "loss_chunks": 8,
        "tables_divided": False,
    },
    "torchtitan": {"reduce_bytes": 4, "least_layers": 5, "loss_chunks": 8, "early_stop": False},
}
"""What the programs of `training/` hold and send otherwise than FSDP's published runs did
(`python -m training.launch rehearse`, docs/training/rehearsals.md)."""


def known_on(gpu: Gpu, software: str) -> bool:
    """Return whether anything is known of a kind of software on a GPU."""
    return software != "compiled" or gpu.calibrated_by.startswith("h100")


def stack_for(gpu: Gpu, software: str) -> SoftwareStack:
    if software in PROGRAMS:
        kind = "compiled" if known_on(gpu, "compiled") else "fsdp"
        return replace(stack_for(gpu, kind), **PROGRAMS[software])
    # Every run at hand with tensor parallelism or stages is Megatron's; FSDP's have neither.
    found = replace(find(gpu.calibrated_by), reduce_bytes=2, divided=program("megatron"))
    if software == "compiled":
        # Compiling fuses element-wise work; products and attention stay what they are.
        left = program("compiled")
        return replace(
            found, elementwise=left * found.elementwise, loss_traffic=left * found.loss_traffic
        )
    if software == "megatron":
        slower = faster(found, program("megatron"))
        return replace(without_flash(slower), reduce_bytes=4, divided=1.0)
    return without_flash(found) if software == "2022" else found


def without_flash(stack: SoftwareStack) -> SoftwareStack:
    return replace(stack, flash=False, early_stop=False)


def network_for(network: Network, software: str) -> Network:
    return replace(network, efficiency=EFFICIENCY_2022) if software == "2022" else network
