"""GPUs and the links between them: data-sheet values, and where each was read.

Everything that AWS sells comes from `ultracluster.catalogue`; what a data sheet says of a GPU is
here. NVIDIA's data sheets (A100 2021, H100 2023, H200 2023, B200 and B300 2024-25; read 2026-11).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ultracluster.catalogue.instances import InstanceType, find, names

GIB: Final = 2**30
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    name: str
    peak: float
    """Dense bf16 FLOP/s of its matrix units."""
    memory_bandwidth: float
    """Bytes/s of its memory."""
    memory: float
    """Bytes that a program sees before anything is loaded."""
    link_bandwidth: float
    """Bytes/s of bus bandwidth that NCCL reaches over NVLink inside a node."""
    calibrated_by: str
    """The GPU whose measured rows its software constants are taken from."""
    measured: bool
    """Whether rows of this very GPU are among them."""


# Bus bandwidth in a node: A100 230 GB/s, NVIDIA/nccl#527 (2022); H100 360 GB/s: 480 GB/s is reached
# by NVLink SHARP all-reduces only, rings reach about 80 % of the 450 GB/s of one direction.
# Memory seen by a program: 39.4 and 79.1 GiB (torch.cuda.mem_get_info of A100-SXM4 and H100 SXM5).
_A100_40: Final = Gpu("A100 40GB", 312e12, 1.555e12, 39.4 * GIB, 230e9, "a100_40gb", measured=True)
_A100_80: Final = Gpu("A100 80GB", 312e12, 2.039e12, 79.1 * GIB, 230e9, "a100_80gb", measured=True)
_H100: Final = Gpu("H100 80GB", 989.4e12, 3.35e12, 79.1 * GIB, 360e9, "h100_80gb", measured=True)
_H200: Final = Gpu("H200 141GB", 989.4e12, 4.8e12, 139.8 * GIB, 360e9, "h100_80gb", measured=False)
_B200: Final = Gpu("B200 180GB", 2250e12, 8.0e12, 177 * GIB, 720e9, "h100_80gb", measured=False)
_B300: Final = Gpu("B300 288GB", 2250e12, 8.0e12, 266 * GIB, 720e9, "h100_80gb", measured=False)

GPUS: Final[Mapping[tuple[str, int], Gpu]] = {
    ("A100", 40960): _A100_40,
    ("A100", 81920): _A100_80,
    ("H100", 81920): _H100,
    ("H200", 144384): _H200,
    ("B200", 183359): _B200,
    ("B200 (2x GB200 superchip)", 189440): _B200,
    ("B300", 275040): _B300,
}
"""GPUs that are planned for, by the catalogue's name and MiB of memory."""

WHOLE_NODE: Final = 8
"""GPUs of the instance types that plans are compared for."""

BY_ROW: Final[Mapping[str, Gpu]] = {gpu.calibrated_by: gpu for gpu in GPUS.values() if gpu.measured}
"""GPUs as `facts/published_runs.csv` names them."""


@dataclass(frozen=True, slots=True)
class Network:
    """What joins the nodes."""

    gpus_per_node: int
    """GPUs that share NVLink."""
    node_bandwidth: float
    """Bytes/s of all of a node's network cards together, line rate."""
    efficiency: float
    """Share of the line rate that NCCL's rings reach."""
    hop_latency: float
    """Seconds that one more node adds to a ring."""
    link_hop_latency: float = 3.4e-6
    """Seconds that one more GPU of the same node adds."""
    launch_latency: float = 8.4e-6
    """Seconds before a collective does anything."""

    @property
    def bandwidth(self) -> float:
        """Bytes/s that a node sends in a collective."""
        return self.node_bandwidth * self.efficiency


EFA_EFFICIENCY: Final = 0.84
"""Two p4de nodes, 2 GiB all-reduce: algbw 41.8 of 50 GB/s (awslabs/awsome-distributed-ai
micro-benchmarks/nccl-tests/README.md, read 2026-11). p4d in 2022 reached 0.46 to 0.61
(NVIDIA/nccl#527)."""
EFA_EFFICIENCY_RANGE: Final = (0.70, 0.90)
"""Of today's software; a program of 2022 has that year's."""

EFA_HOP: Final = 75e-6
NEWER_EFA_HOP: Final = 35e-6
"""Latencies between nodes that AWS tunes NCCL with: p4d to p5e, and from p5en on (aws-ofi-nccl
src/platform-aws.cpp, platform_data_map, read 2026-11-27)."""

NCCL_HOP: Final = 14e-6
"""NCCL's own figure for a network hop of a ring (NVIDIA/nccl src/graph/tuning.cc, hwLat, Simple);
the same table has 3.4 us for NVLink, and 8.4 us before a ring begins."""


def gpu_of(instance: InstanceType) -> Gpu | None:
    """Return the GPU of an instance type, or None where nothing is known of how fast it trains."""
    accelerator = instance.accelerator
    return GPUS.get((accelerator.name, accelerator.memory_mib))


def comparable_types() -> tuple[str, ...]:
    """Return the instance types with eight GPUs of which it is known how fast they train."""
    return tuple(
        name
        for name in names()
        if gpu_of(instance := find(name)) and instance.accelerator.count == WHOLE_NODE
    )


def network_of(instance: InstanceType, gbps: float | None = None) -> Network:
    """Return the network of an instance type, or the same with cards of so many Gbps together."""
    newer = instance.name.startswith(("p5en", "p6"))
    return Network(
        gpus_per_node=instance.accelerator.count,
        node_bandwidth=(gbps or instance.network_cards.gbps) * 1e9 / 8,
        efficiency=EFA_EFFICIENCY,
        hop_latency=NEWER_EFA_HOP if newer else EFA_HOP,
    )
