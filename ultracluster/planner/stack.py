"""The training software that a plan assumes: its speed, memory and uncertainty."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

from ultracluster.planner.devices import Gpu, Network

EFFICIENCY_2022: Final = 0.53
"""Middle of the 46 to 61 % of the line rate that p4d reached in 2022 (NVIDIA/nccl#527)."""

ATTENTION_GAIN: Final = 1.65
"""Flash attention 3 over 2 on H100: 1.5 to 2 times forward, 1.5 to 1.75 backward, which takes 3.7
times as long (arXiv 2407.08608, July 2024); cuDNN's, which Megatron-Core calls, is as fast."""

SOFTWARE: Final = {
    "fsdp": "PyTorch FSDP with flash attention, gradients reduced in bf16",
    "compiled": "the same, compiled by torch: torchtitan, this project's program; H100 and later",
    "megatron": "Megatron-LM of 2021: no flash attention, whole blocks recomputed",
    "megatron-core": "Megatron-Core of 2025: fused kernels; ZeRO-1, hidden behind other work",
    "training": "this project's training program, to the byte; on H100 and later compiled",
    "torchtitan": "torchtitan as this project starts it, to the byte; on H100 and later compiled",
    "2022": "no flash attention, whole blocks recomputed, EFA of 2022",
}
"""Kinds of training programs, as `--software` takes them."""


@dataclass(frozen=True, slots=True)
class SoftwareStack:
    """How fast one software stack is on one GPU.

    The first group is fitted to measured rows (`calibration.json` here, `make planner-fit`).
    """

    gemm: float
    """Share of the peak that a large matrix product reaches."""
    gemm_ramp: float
    """Depth (the inner dimension) that a product's start and end cost."""
    attention: float
    """Share of the peak that attention's own products reach."""
    softmax: float
    """FLOPs that one score's softmax costs as much as."""
    attention_backward: float
    """Time of attention's backward pass over its forward pass."""
    elementwise: float
    """Bytes of memory traffic of a token in a layer, per unit of width."""
    loss_traffic: float
    """Bytes of memory traffic of a token, per entry of the vocabulary."""
    step_overhead: float
    """Seconds of a step that are neither computed nor sent (clipping, logging)."""
    exposed: float
    """Share of the time that passing bytes on over NVLink takes which slows computing down."""
    live_layers: float
    """Layers' weights and gradients in flight where memory is plentiful."""
    shortage: float
    """Slowdown for each layer in flight that there is no memory for."""
    late: float = 0.2
    """Share of the time that data cross the network which computing waits for them."""
    divided: float = 1.0
    """Factor on the computing of a model whose layers or stages are divided over GPUs."""
    early_stop: bool = True
    """Whether recomputation stops before the last product of a block, whose result nothing needs
    (torch.utils.checkpoint, use_reentrant=False)."""
    recompute_traffic: float = 0.3
    """Share of a layer's element-wise traffic that recomputation repeats."""
    activation_bytes: float = 32.0
    """Bytes kept of a token in a layer without checkpointing, per unit of width."""
    logit_bytes: float = 4.0
    """Bytes kept of a token for the loss, per entry of the vocabulary."""
    weight_bytes: int = 2
    """Bytes of a weight on the wire."""
    reduce_bytes: int = 2
    """Bytes of a gradient on the wire."""
    optimizer_traffic: float = 40.0
    """Bytes of memory traffic of the optimizer per parameter."""
    reserve: float = 2.5e9
    """Bytes of GPU memory taken by CUDA, NCCL and libraries."""
    network_reserve: float = 1.0e9
    """Bytes more that NCCL's buffers for the network take where a collective leaves its node: some
    32 channels, both directions, 8 to 16 MiB each."""
    flash: bool = True
    """Whether attention keeps no scores; without it they pass through memory."""
    least_layers: float = 3.0
    """Layers' weights in 16 bits that are in flight at least: the layer in work, the one being
    gathered and the gradient being reduced, which counts twice more where that is in fp32."""
    weight_copy: float = 0.0
    """Bytes per parameter of weights in 16 bits that are held beside the optimizer's."""
    loss_chunks: int = 0
    """Parts that the loss is computed in, its gradient at once; 0: of all logits together."""
    tables_divided: bool = True
    """Whether GPUs that share layers share embedding and output layer as well."""
    zero_1: bool = False
    """Whether every rank keeps its weights and adds up its gradients as it reduces them (ZeRO-1),
    once a step, part by part beside other passes; interleaved stages pass on beside them, too."""

    def keeps_weights(self, pipeline: int) -> bool:
        """Return whether weights are gathered, and gradients reduced, once in a step."""
        return pipeline > 1 or self.zero_1


@cache
def _data() -> dict[str, Any]:
    text = files("ultracluster.planner").joinpath("calibration.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def names() -> tuple[str, ...]:
    return tuple(_data()["stacks"])


@cache
def find(name: str) -> SoftwareStack:
    """Return a calibrated stack by its name, for example `a100_40gb`."""
    values = _data()["stacks"][name]["constants"]
    known = {field.name for field in fields(SoftwareStack)}
    return SoftwareStack(**{key: value for key, value in values.items() if key in known})


def forget() -> None:
    """Read the constants again the next time: they were fitted anew."""
    _data.cache_clear()
    find.cache_clear()


def program(name: str) -> float:
    """Return the constant that tells a kind of program from FSDP's."""
    value: float = _data()["programs"][name]
    return value


def faster(stack: SoftwareStack, factor: float) -> SoftwareStack:
    """Return a stack whose whole computation takes `factor` of the time."""
    return replace(
        stack,
        gemm=stack.gemm / factor,
        attention=stack.attention / factor,
        elementwise=stack.elementwise * factor,
        loss_traffic=stack.loss_traffic * factor,
    )


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


def stack_for(gpu: Gpu, software: str, *, fp8: bool = False) -> SoftwareStack:
    if fp8:
        found, chip = stack_for(gpu, software), gpu.calibrated_by
        return replace(found, gemm=found.gemm * find(f"{chip}_fp8").gemm / find(chip).gemm)
    if software in PROGRAMS:
        kind = "compiled" if known_on(gpu, "compiled") else "fsdp"
        return replace(stack_for(gpu, kind), **PROGRAMS[software])
    # Every run at hand with tensor parallelism or stages is Megatron's; FSDP's have neither.
    found = replace(find(gpu.calibrated_by), reduce_bytes=2, divided=program("megatron"))
    if software in {"compiled", "megatron-core"}:
        # Compiling fuses element-wise work, as Megatron-Core's kernels do; products stay.
        left = program("compiled")
        found = replace(
            found, elementwise=left * found.elementwise, loss_traffic=left * found.loss_traffic
        )
    if software == "megatron-core":
        gain = ATTENTION_GAIN if gpu.calibrated_by.startswith("h100") else 1.0
        found = replace(found, attention=gain * found.attention, early_stop=False)
        # Logits are kept in bf16 and in fp32, and their gradient in bf16.
        return replace(found, divided=1.0, zero_1=True, logit_bytes=8.0)
    if software == "megatron":
        slower = faster(found, program("megatron"))
        return replace(without_flash(slower), reduce_bytes=4, divided=1.0)
    return without_flash(found) if software == "2022" else found


def without_flash(stack: SoftwareStack) -> SoftwareStack:
    return replace(stack, flash=False, early_stop=False)


def network_for(network: Network, software: str) -> Network:
    return replace(network, efficiency=EFFICIENCY_2022) if software == "2022" else network
