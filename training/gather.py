"""MiCS's hierarchical all-gather: between nodes first, inside the node second.

A partition group of p ranks on m nodes of k (p = m * k) holds M bytes of weights in p shards. A
flat ring passes (p-1)/p of M through every node's link. Here the m ranks with the same place on
their nodes gather first, so that every node holds all shards once, having received (p-k)/p of M;
the rest moves inside the node. DeepSpeed's MiCS does the same (mics_utils.py).
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from training.mesh import Grid

PLAIN = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
"""One collective under two names: PyTorch 2.13 renamed it."""


class _Finished:
    """A collective that has been enqueued completely: waiting for it is the stream's business."""

    def wait(self) -> None:
        """Return at once."""


class HierarchicalAllGather:
    """What FSDP2 calls instead of `all_gather_into_tensor`.

    It follows the protocol `torch.distributed.fsdp._fully_shard._fsdp_api.AllGather`, and leaves
    groups that it was not built for to the plain collective.

    Args:
        whole: The ranks of the partition group that hold shards of one tensor.
        across: Those of them with this rank's place on their nodes, one per node.
        inside: Those of them on this rank's node.
    """

    def __init__(
        self, whole: dist.ProcessGroup, across: dist.ProcessGroup, inside: dist.ProcessGroup
    ) -> None:
        self.whole, self.across, self.inside = whole, across, inside

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
