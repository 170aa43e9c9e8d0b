"""The software that is planned for: what a GPU does with it, and how sure that is."""

from dataclasses import replace
from typing import Final

from ultracluster.planner.devices import Gpu, Network
from ultracluster.planner.stack import SoftwareStack, faster, find, program

EFFICIENCY_2022: Final = 0.53
"""Middle of the 46 to 61 % of the line rate that p4d reached in 2022 (NVIDIA/nccl#527)."""

SOFTWARE: Final = {
    "fsdp": "PyTorch FSDP with flash attention, gradients reduced in bf16",
    "compiled": "the same, compiled by torch: torchtitan, this project's program; H100 and later",
    "megatron": "Megatron-LM of 2021: no flash attention, whole blocks recomputed",
    "2022": "no flash attention, whole blocks recomputed, EFA of 2022",
}
"""Kinds of training programs, as `--software` takes them."""


def known_on(gpu: Gpu, software: str) -> bool:
    """Return whether anything is known of a kind of software on a GPU."""
    return software != "compiled" or gpu.calibrated_by.startswith("h100")


def stack_for(gpu: Gpu, software: str) -> SoftwareStack:
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
