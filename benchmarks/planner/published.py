"""The published training runs, and which of them may be fitted to.

The split was fixed before the first fit: of the runs on one node, those whose digest is even are
fitted to; the others, and every run on several nodes, never are.
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ultracluster.planner.devices import BY_ROW, NCCL_HOP, Gpu, Network
from ultracluster.planner.layout import KEPT, RECOMPUTED, Layout, Setup
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import SoftwareStack
from ultracluster.planner.step import Step, step

ROOT: Final = Path(__file__).resolve().parents[2]
ROWS: Final = ROOT / "facts" / "published_runs.csv"

MPT: Final = {
    "125m": (12, 768, 12),
    "350m": (24, 1024, 16),
    "760m": (24, 1536, 12),
    "1b": (24, 2048, 16),
    "3b": (32, 2560, 20),
    "7b": (32, 4096, 32),
    "13b": (40, 5120, 40),
    "30b": (48, 7168, 56),
    "70b": (80, 8192, 64),
}
"""Layers, width, heads: MosaicML's MPT configurations. With vocabulary 50,368 and learned positions
the number of parameters comes out as the table has it, for every row (a test holds it)."""

VOCABULARY: Final = 50_368

# 1600 Gbps a node is in the A100 tables' name. For H100 the table does not say; eight adapters of
# 400 Gbps, as every H100 node of that time had, are assumed.
NODE_GBPS: Final = {"a100_40gb": 1600, "a100_80gb": 1600, "h100_80gb": 3200}
ROCE_EFFICIENCY: Final = 0.84


@dataclass(frozen=True, slots=True)
class Run:
    """One published run.

    Attributes:
        key: What tells it from the others; its digest decides which half it is in.
        stack: The stack whose constants it belongs to: GPU and precision.
        shape: The model.
        layout: How it was laid out.
        gpu: The GPU.
        network: Between nodes.
        tokens_per_second_per_gpu: As published.
        mfu: As published, in percent.
        sharding: FSDP's word.
    """

    key: str
    stack: str
    model: str
    shape: ModelShape
    layout: Layout
    gpu: Gpu
    network: Network
    tokens_per_second_per_gpu: float
    mfu: float
    sharding: str

    @property
    def options(self) -> str:
        """What `ultracluster plan` is asked for this run."""
        shape, layout = self.shape, self.layout
        instance = {"a100_40gb": "p4d", "a100_80gb": "p4de"}.get(self.stack, "p5")
        size = "48xlarge" if instance == "p5" else "24xlarge"
        return (
            f"--layers {shape.layers} --hidden {shape.hidden} --heads {shape.heads} "
            f"--vocabulary {shape.vocabulary} --sequence {shape.sequence} "
            f"--instance {instance}.{size} --node-gbps {self.network.node_bandwidth * 8e-9:.0f} "
            f"--nodes {layout.gpus // 8} --software fsdp --tensor 1 --pipeline 1 "
            f"--partition {layout.partition} --micro-batch {layout.micro_batch} "
            f"--activations {layout.activations} --batch-tokens {layout.sequences * shape.sequence}"
        )

    @property
    def one_node(self) -> bool:
        """Whether it ran on one node."""
        return self.layout.gpus <= self.network.gpus_per_node

    @property
    def digest(self) -> int:
        """A number that depends on nothing but the key."""
        return hashlib.sha256(self.key.encode()).digest()[0]

    @property
    def fitted(self) -> bool:
        """Whether constants may be fitted to it."""
        return self.one_node and self.digest % 2 == 0

    def predicted(self, stack: SoftwareStack) -> Step:
        """Return the step that the model predicts."""
        return step(Setup(self.shape, self.gpu, self.network, stack), self.layout)

    def error(self, stack: SoftwareStack) -> float:
        """Return predicted over published tokens per second, less one."""
        rate = self.predicted(stack).tokens_per_second / self.layout.gpus
        return rate / self.tokens_per_second_per_gpu - 1


def stack_name(row: Mapping[str, str]) -> str:
    """Return which constants a row belongs to: mixed precision modes differ in what they move."""
    # One row on A100 80GB is of pure bf16; its constants are those of the mixed rows there.
    return f"{row['gpu']}_fp8" if row["precision"] == "amp_fp8" else row["gpu"]


def published(path: Path = ROWS) -> list[Run]:
    """Return every row of a table with the columns of `facts/published_runs.csv`."""
    with path.open(encoding="utf-8") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return [_run(row) for row in rows]


def _run(row: Mapping[str, str]) -> Run:
    layers, hidden, heads = MPT[row["model"]]
    sequence, gpus = int(row["seq_len"]), int(row["gpus"])
    parts = ("gpu", "precision", "model", "seq_len", "gpus", "micro_batch", "grad_accum")
    gpu = BY_ROW[row["gpu"]]
    return Run(
        key="|".join(row[part] for part in parts),
        stack=stack_name(row),
        model=row["model"],
        shape=ModelShape(layers, hidden, heads, VOCABULARY, sequence, learned_positions=True),
        layout=Layout(
            gpus=gpus,
            partition=gpus,
            micro_batch=int(row["micro_batch"]),
            accumulation=int(row["grad_accum"]),
            activations=RECOMPUTED if row["activation_checkpointing"] == "True" else KEPT,
            reshard=row["sharding"] == "FULL_SHARD",
        ),
        gpu=gpu,
        network=Network(8, NODE_GBPS[row["gpu"]] * 1e9 / 8, ROCE_EFFICIENCY, NCCL_HOP),
        tokens_per_second_per_gpu=float(row["tokens_per_s_per_gpu"]),
        mfu=float(row["mfu_pct"]),
        sharding=row["sharding"],
    )
