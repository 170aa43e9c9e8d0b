"""MiCS on FSDP2: one call per block on a mesh (replica x shard).

FSDP2 then gathers a block's weights inside its partition group, before its forward and its
backward pass, and reduce-scatters its gradients inside the group after every micro-step (hop 1 of
the MiCS paper's two-hop synchronisation). Across groups it all-reduces this rank's share of them,
and `Sharded.boundary` has it do so after the last micro-step only (hop 2). Per optimizer step with
g micro-steps, L blocks and a partition group of p ranks:

    all-gathers       g * (2L + 1)     the outer weights stay gathered until the backward pass
    reduce-scatters   g * (L + 1)
    all-reduces       L + 1            of 1/p of the weights each, over the replicas

`tests/training` counts them and their sizes.

A single GPU has nobody to gather from: there FSDP2 would only copy weights and gradients, and it is
left out (`alone`). State and checkpoints are the same to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard

# Not public, but it is what torch.distributed.checkpoint asks, too: where in the whole tensor
# this rank's part begins, for strided shards (tensor parallel and sharded) as well.
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from training.loss import Kernel
from training.mesh import Grid
from training.model import Transformer, deviation
from training.settings import Settings

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp64": torch.float64}
PLAIN = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
"""One collective under two names: PyTorch 2.13 renamed it."""


class Sharded:
    """A transformer laid out over the grid, its weights drawn from the seed."""

    def __init__(self, settings: Settings, grid: Grid, device: torch.device) -> None:
        numerics = settings.numerics
        with torch.device("meta"):
            self.module = Transformer(
                settings.model,
                tensor=grid.tensor,
                checkpoint_every=numerics.checkpoint_every,
                loss_chunks=numerics.loss_chunks,
            )
        self.module.to(DTYPES[numerics.dtype])
        if numerics.compile:
            for block in self.module.blocks:
                block.compile()
            Kernel.compile()
        accumulates = (
            grid.layout.accumulation(settings.data.global_batch, settings.data.micro_batch) > 1
        )
        lonely = is_alone(grid, accumulates_bf16=accumulates and numerics.dtype == "bf16")
        if not lonely:
            self._shard(settings, grid)
        self.module.to_empty(device=device)
        self.parameters: dict[str, DTensor] = (
            alone(self.module, grid.outer)
            if lonely
            else {name: _sharded(value) for name, value in self.module.named_parameters()}
        )
        """By name; each knows its mesh and holds this rank's part."""
        self._draw(settings, device)

    def _shard(self, settings: Settings, grid: Grid) -> None:
        """Hand the blocks, and what is around them, to FSDP2."""
        numerics = settings.numerics
        # In which gradients travel and add up; None is the weights' own type.
        wide = DTYPES[numerics.reduce_dtype] if numerics.dtype == "bf16" else None
        policy = MixedPrecisionPolicy(reduce_dtype=wide)
        # A group of one gathers by a copy on its own GPU: one copy is enough.
        reshard = settings.parallel.reshard_after_forward and grid.layout.shards > 1
        for block in self.module.blocks:
            fully_shard(block, mesh=grid.blocks, mp_policy=policy, reshard_after_forward=reshard)
        fully_shard(self.module, mesh=grid.outer, mp_policy=policy, reshard_after_forward=False)
        spans_nodes = grid.layout.partition > grid.layout.node
        hierarchical = settings.parallel.hierarchical_gather and spans_nodes
        gather = HierarchicalAllGather.over(grid) if hierarchical else None
        for part in (each for each in self.module.modules() if isinstance(each, FSDPModule)):
            # The loss is already divided by the batch's tokens: gradients are sums.
            part.set_force_sum_reduction_for_comms(enable=True)
            if grid.layout.world > 1:  # a single rank would divide by 1.0 in a pass of its own
                part.set_gradient_divide_factor(1.0)
            if gather is not None:
                part.set_custom_all_gather(gather)  # type: ignore[arg-type] # the base is private

    def boundary(self, *, reached: bool) -> None:
        """Say whether the next backward pass is the last of its optimizer step."""
        if isinstance(self.module, FSDPModule):
            self.module.set_requires_all_reduce(reached)

    @torch.no_grad()
    def _draw(self, settings: Settings, device: torch.device) -> None:
        """Fill every weight from the seed, the same on any number of GPUs of one kind.

        Each rank draws each whole tensor and keeps its part: one tensor at a time in memory,
        and about ten seconds for 10^12 values at the GPU's 10^11 per second.
        """
        for index, (name, parameter) in enumerate(self.parameters.items()):
            local = parameter.to_local()
            spread = deviation(name, settings.model)
            if not spread:
                local.fill_(1.0)
                continue
            generator = torch.Generator(device).manual_seed((settings.run.seed << 20) + index)
            whole = torch.empty(parameter.shape, dtype=torch.float32, device=device)
            whole.normal_(0.0, spread, generator=generator)
            shape, offset = compute_local_shape_and_global_offset(
                parameter.shape, parameter.device_mesh, parameter.placements
            )
            part = tuple(slice(o, o + n) for o, n in zip(offset, shape, strict=True))
            local.copy_(whole[part])
        self.module.fill_buffers()


def is_alone(grid: Grid, *, accumulates_bf16: bool) -> bool:
    """Whether FSDP2 has nothing to do.

    It has on one GPU, too, where gradients in bf16 are to add up in fp32.
    """
    return grid.layout.world == 1 and not accumulates_bf16


def alone(module: nn.Module, mesh: DeviceMesh) -> dict[str, DTensor]:
    """Return the parameters of an unsharded module as FSDP2 would on a mesh of one.

    They share the module's memory. Gradients move to them as soon as they are complete, and add up
    there, so that whoever works on parameters need not know whether FSDP2 is there.
    """
    return {name: _followed(value, mesh) for name, value in module.named_parameters()}


def _followed(value: nn.Parameter, mesh: DeviceMesh) -> DTensor:
    def wrapped(local: Tensor) -> DTensor:
        return DTensor.from_local(local, mesh, [Replicate(), Shard(0)], run_check=False)

    parameter = wrapped(value.detach())

    @torch.no_grad()
    def move(computed: Tensor) -> None:
        gradient, computed.grad = computed.grad, None
        if gradient is None:
            return
        if isinstance(parameter.grad, DTensor):
            parameter.grad.to_local().add_(gradient)
        else:
            parameter.grad = wrapped(gradient)

    value.register_post_accumulate_grad_hook(move)  # type: ignore[no-untyped-call]
    return parameter


def _sharded(value: Tensor | nn.Parameter) -> DTensor:
    if not isinstance(value, DTensor):
        raise TypeError(f"expected a sharded parameter, found {type(value).__name__}")
    return value


class _Finished:
    """A collective that has been enqueued completely: waiting for it is the stream's business."""

    def wait(self) -> None:
        """Return at once."""


@dataclass(frozen=True)
class HierarchicalAllGather:
    """MiCS's all-gather, between nodes first, which FSDP2 calls instead of the plain one.

    A partition group of p ranks on m nodes of k (p = m * k) holds M bytes of weights in p shards. A
    flat ring passes (p-1)/p of M through every node's link. Here the m ranks with the same place on
    their nodes gather first, so that every node holds all shards once, having received (p-k)/p of
    M; the rest moves inside the node. DeepSpeed's MiCS does the same (mics_utils.py).

    It follows the protocol `torch.distributed.fsdp._fully_shard._fsdp_api.AllGather`, and leaves
    groups that it was not built for to the plain collective.

    """

    whole: dist.ProcessGroup
    """The ranks of the partition group that hold shards of one tensor."""
    across: dist.ProcessGroup
    """Those of them with this rank's place on their nodes, one per node."""
    inside: dist.ProcessGroup
    """Those of them on this rank's node."""

    @classmethod
    def over(cls, grid: Grid) -> "HierarchicalAllGather":
        """Make the groups of a grid whose partition groups span nodes; every rank calls this."""
        layout, rank = grid.layout, dist.get_rank()
        mine: dict[str, dist.ProcessGroup] = {}
        for first in range(0, layout.world, layout.partition):
            members = range(first, first + layout.partition)
            rows = [members[at : at + layout.node] for at in range(0, len(members), layout.node)]
            columns = [list(column) for column in zip(*rows, strict=True)]
            for name, groups in (("inside", rows), ("across", columns)):
                for ranks in groups:
                    group = dist.new_group(list(ranks))
                    if rank in ranks:
                        mine[name] = group
        return cls(grid.partition, mine["across"], mine["inside"])

    def allocate(
        self, size: Sequence[int | torch.SymInt], *, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """Return an uninitialised tensor for the result."""
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(
        self,
        output_tensor: Tensor,
        input_tensor: Tensor,
        group: dist.ProcessGroup,
        async_op: bool = False,  # noqa: FBT001, FBT002 - the protocol's
    ) -> "dist.Work | _Finished | None":
        """Fill `output_tensor` (p * n) with every rank's `input_tensor` (n), in rank order."""
        if group.size() != self.whole.size():
            work: dist.Work | None = PLAIN(
                output_tensor, input_tensor, group=group, async_op=async_op
            )
            return work
        nodes, places, n = self.across.size(), self.inside.size(), input_tensor.numel()
        column = torch.empty(nodes * n, dtype=input_tensor.dtype, device=input_tensor.device)
        PLAIN(column, input_tensor.clone(), group=self.across)
        square = torch.empty_like(output_tensor)
        PLAIN(square, column, group=self.inside)
        # Gathered as (place, node, n); ranks count (node, place).
        output_tensor.view(nodes, places, n).copy_(square.view(places, nodes, n).transpose(0, 1))
        return _Finished() if async_op else None
