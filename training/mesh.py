"""Which rank holds what: partition groups, their replicas, and the tensor groups in them.

Ranks lie in row-major order (replica, shard, tensor), the last index running fastest. A partition
group is therefore a run of consecutive ranks, and a tensor group lies inside one node:

    8 ranks, partition_size=4, tensor_parallel=2     replica 0: (0 1)(2 3)   replica 1: (4 5)(6 7)

This is the order in which DeepSpeed's MiCS numbers its groups, too (deepspeed/runtime/zero/
mics_utils.py: groups are runs of consecutive global ranks).
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from training.problems import NodeError, Problem, UserError, choices, divisors
from training.settings import ParallelSettings


@dataclass(frozen=True, slots=True)
class Launch:
    """What the launcher said about this process."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Launch":
        """Return what torchrun or srun left in the environment; one process where neither did."""
        torchrun = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        slurm = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE")
        if "RANK" in environment:
            names = torchrun
        elif "SLURM_PROCID" in environment and "MASTER_ADDR" in environment:
            names = slurm
        else:
            return cls()
        missing = [name for name in names if name not in environment]
        if missing:
            raise UserError(
                f"{names[0]} is set but {', '.join(missing)} is not: the launch is incomplete; "
                "start with torchrun, or with srun --ntasks-per-node and MASTER_ADDR, MASTER_PORT"
            )
        for name in names:
            if not environment[name].isdecimal():
                raise UserError(
                    f"{name} = {environment[name]!r}: is no whole number; start with torchrun, or "
                    "with srun --ntasks-per-node"
                )
        launch = cls(*(int(environment[name]) for name in names))
        if launch.rank % launch.local_world != launch.local_rank:
            raise UserError(
                f"rank {launch.rank} is number {launch.local_rank} of {launch.local_world} on its "
                "node: nodes do not hold consecutive ranks, so partition groups would straddle "
                "them; start with srun --distribution=block, or with torchrun"
            )
        return launch

    def device(self) -> torch.device:
        """Return this process's GPU, or the processor where there is no GPU."""
        if torch.cuda.is_available():
            return torch.device("cuda", self.local_rank)
        return torch.device("cpu")

    def join(self, timeout_minutes: float = 10.0) -> None:
        """Meet the other processes: NCCL for GPU tensors, gloo for the processor's.

        Raises:
            NodeError: If they do not come in that time.
        """
        device, alone = self.device(), self.world == 1
        try:
            if device.type == "cuda":
                torch.cuda.set_device(device)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
                rank=self.rank,
                world_size=self.world,
                store=dist.HashStore() if alone else None,  # type: ignore[attr-defined]
                init_method=None if alone else "env://",
                timeout=timedelta(minutes=timeout_minutes),
            )
        except (dist.DistError, RuntimeError, TimeoutError) as error:
            where = ":".join(os.environ.get(n, "?") for n in ("MASTER_ADDR", "MASTER_PORT"))
            raise NodeError(
                f"the {self.world} ranks did not meet at {where} ({str(error).splitlines()[0]}); "
                "look for a node that did not start, and for a firewall between them"
            ) from error


@dataclass(frozen=True, slots=True)
class Layout:
    """The sizes of the mesh, checked. Pure arithmetic: no process group is needed.

    Attributes:
        world: Number of ranks, one per GPU.
        node: Ranks on one node.
        partition: Ranks that hold one copy of the model state.
        tensor: Ranks that share each layer.

    Raises:
        UserError: If the sizes do not fit into each other.
    """

    world: int
    node: int
    partition: int
    tensor: int = 1

    @classmethod
    def of(cls, settings: ParallelSettings, launch: Launch) -> "Layout":
        """Return the layout that these settings ask for on the ranks that were started."""
        return cls(
            world=launch.world,
            node=settings.gpus_per_node or launch.local_world,
            partition=settings.partition_size,
            tensor=settings.tensor_parallel,
        )

    def __post_init__(self) -> None:
        if error := UserError.of(self.problems()):
            raise error

    def problems(self) -> Iterator[Problem]:
        """Yield every way in which the sizes do not fit."""
        if self.world % self.node:
            why = f"does not divide the {self.world} ranks: nodes would differ"
            fits = [n for n in divisors(self.world) if n <= self.node]
            yield Problem("parallel.gpus_per_node", self.node, why, choices(fits[-3:]))
            return
        on_node = [p for p in divisors(self.world) if self.node % p == 0 or p % self.node == 0]
        why = ""
        if self.world % self.partition:
            why = f"does not divide the {self.world} ranks: a rank would be left without a group"
        elif self.partition not in on_node:
            why = f"neither divides the {self.node} GPUs of a node nor is a multiple of them: "
            why += "groups would straddle nodes"
        if why:
            yield Problem("parallel.partition_size", self.partition, why, choices(on_node))
        why, fits = "", divisors(self.node)
        if self.node % self.tensor:
            why = f"does not divide the {self.node} GPUs of a node: layers would span nodes"
        elif self.partition % self.tensor:
            why = f"does not divide parallel.partition_size = {self.partition}"
            fits = [t for t in divisors(self.partition) if self.node % t == 0]
        if why:
            yield Problem("parallel.tensor_parallel", self.tensor, why, choices(fits))

    @property
    def replicas(self) -> int:
        """Copies of the model state; gradients are all-reduced over so many ranks."""
        return self.world // self.partition

    @property
    def shards(self) -> int:
        """Parts of each tensor slice; weights are gathered from so many ranks."""
        return self.partition // self.tensor

    @property
    def data_ranks(self) -> int:
        """Ranks that work on different sequences."""
        return self.world // self.tensor

    def accumulation(self, global_batch: int, micro_batch: int) -> int:
        """Return the micro-steps in one optimizer step."""
        at_once = self.data_ranks * micro_batch
        if global_batch % at_once:
            why = f"is no multiple of {self.data_ranks} data ranks x {micro_batch} sequences"
            lower = global_batch // at_once * at_once
            fix = choices([size for size in (lower, lower + at_once) if size])
            raise UserError(str(Problem("data.global_batch", global_batch, why, fix)))
        return global_batch // at_once

    def describe(self) -> str:
        """Return one line for a human."""
        if self.world == 1:
            return "one GPU"
        kind = {1: "data parallel", self.world: "ZeRO-3"}.get(self.partition, "MiCS")
        text = f"{kind}: {self.replicas} x {self.partition} GPUs"
        return text if self.tensor == 1 else f"{text}, {self.tensor} to a layer"


@dataclass(frozen=True, slots=True)
class Grid:
    """The process groups of a layout."""

    layout: Layout
    blocks: DeviceMesh
    """Mesh (replica, shard) over which a block's weights are held."""
    outer: DeviceMesh
    """Mesh (replica, shard x tensor) for embedding and final norm. Outside the blocks each tensor
    rank works on its own tokens, as a data rank would, so it shards as one, too."""
    tensor: DeviceMesh | None
    """Mesh of the ranks that share a layer, or None for no tensor parallelism."""
    partition: dist.ProcessGroup
    """Group of the ranks that hold one copy of the model state."""
    data_index: int

    @classmethod
    def of(cls, layout: Layout, device_type: str) -> "Grid":
        """Make the groups; every rank calls this at the same time."""
        outer = init_device_mesh(
            device_type, (layout.replicas, layout.partition), mesh_dim_names=("replica", "shard")
        )
        blocks, tensor = outer, None
        if layout.tensor > 1:
            whole = init_device_mesh(
                device_type,
                (layout.replicas, layout.shards, layout.tensor),
                mesh_dim_names=("replica", "shard", "tensor"),
            )
            blocks, tensor = whole["replica", "shard"], whole["tensor"]
        return cls(
            layout=layout,
            blocks=blocks,
            outer=outer,
            tensor=tensor,
            partition=outer.get_group("shard"),
            data_index=dist.get_rank() // layout.tensor,
        )
