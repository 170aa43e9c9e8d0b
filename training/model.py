"""A decoder-only transformer whose blocks can be split over the GPUs of a node.

Letters in shapes: b sequences of a micro-batch, s tokens of a sequence, h width, a heads, d = h/a,
v vocabulary, t tensor-parallel ranks. With t > 1 the residual stream is split along the sequence
(s/t tokens per rank): a rank gathers all s tokens at the entry of attention and MLP, works there on
its a/t heads or its 4h/t hidden values, and reduce-scatters the partial sums at the exit. That is
Megatron's tensor with sequence parallelism (arXiv 2205.05198, figure 5).
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard
from torch.utils.checkpoint import checkpoint

from training.loss import chunked_cross_entropy
from training.settings import ModelSettings

INITIAL_DEVIATION = 0.02
"""Of weights; GPT-2's, whose output projections are divided by sqrt(2 * layers)."""
ROTARY_BASE = 10_000.0


class Split:
    """Weights and activations of one tensor-parallel group, or plain ones for `mesh` None."""

    def __init__(self, mesh: DeviceMesh | None) -> None:
        self.mesh = mesh
        self.ways = mesh.size() if mesh else 1

    def weight(self, shape: tuple[int, ...], placement: Placement) -> nn.Parameter:
        """Return an uninitialised weight of that whole shape, split as the placement says."""
        if self.mesh is None:
            return nn.Parameter(torch.empty(shape))
        local = list(shape)
        if isinstance(placement, Shard):
            local[placement.dim] //= self.ways
        return nn.Parameter(
            DTensor.from_local(torch.empty(local), self.mesh, [placement], run_check=False)
        )

    def local(self, weight: Tensor) -> Tensor:
        """Return this rank's slice of a split weight, or all of a whole one.

        A whole weight (a norm's) sees only this rank's tokens: its gradient is one part of a sum.
        """
        if self.mesh is None or not isinstance(weight, DTensor):
            return weight
        whole = weight.placements[-1].is_replicate()
        return weight.to_local(grad_placements=[Partial()] if whole else weight.placements)

    def gather(self, x: Tensor) -> Tensor:
        """Return all tokens (b, s, h) from this rank's (b, s/t, h); gradients are summed back."""
        if self.mesh is None:
            return x
        mine = DTensor.from_local(x, self.mesh, [Shard(1)], run_check=False)
        return mine.redistribute(placements=[Replicate()]).to_local(grad_placements=[Partial()])

    def scatter(self, x: Tensor) -> Tensor:
        """Return this rank's tokens (b, s/t, h) of the sum over ranks of partial (b, s, h)."""
        if self.mesh is None:
            return x
        part = DTensor.from_local(x, self.mesh, [Partial()], run_check=False)
        return part.redistribute(placements=[Shard(1)]).to_local()


def norm(x: Tensor, weight: Tensor) -> Tensor:
    """Return x over its root mean square along the last dimension, times the weight."""
    return F.rms_norm(x, (x.size(-1),), weight, eps=1e-6)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Return heads (b, s, a, d) turned by their positions.

    Args:
        x: Queries or keys.
        table: Cosines and sines, (2, s, 1, d/2).
    """
    cosine, sine = table.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the stream.

    With `recompute` only the input is kept for the backward pass, and the rest computed again.
    """

    def __init__(self, settings: ModelSettings, split: Split, *, recompute: bool) -> None:
        super().__init__()
        h = settings.width
        self.split, self.recompute = split, recompute
        self.heads, self.head_width = settings.heads // split.ways, h // settings.heads
        self.attention_norm = split.weight((h,), Replicate())
        # Rows are ordered (head, q/k/v, value), so that a slice of rows is a slice of heads.
        self.qkv = split.weight((3 * h, h), Shard(0))
        self.out = split.weight((h, h), Shard(1))
        self.mlp_norm = split.weight((h,), Replicate())
        self.up = split.weight((4 * h, h), Shard(0))
        self.down = split.weight((h, 4 * h), Shard(1))

    def forward(self, x: Tensor, table: Tensor | None) -> Tensor:
        """Return the stream after this block.

        Args:
            x: The stream before it, (b, s/t, h).
            table: Rotary cosines and sines, or None for learned positions.
        """
        if self.recompute and torch.is_grad_enabled():
            # Inside forward, not around the module: FSDP's hooks then run once in the forward
            # and once in the backward pass, and nothing is gathered a third time.
            result = checkpoint(self.body, x, table, use_reentrant=False)
            assert isinstance(result, Tensor)  # noqa: S101 - for the type checker
            return result
        return self.body(x, table)

    def body(self, x: Tensor, table: Tensor | None) -> Tensor:
        """Return what `forward` does, without recomputation."""
        x = x + self.attention(norm(x, self.split.local(self.attention_norm)), table)
        return x + self.mlp(norm(x, self.split.local(self.mlp_norm)))

    def attention(self, x: Tensor, table: Tensor | None) -> Tensor:
        """Return causal self-attention of (b, s/t, h)."""
        x = self.split.gather(x)
        b, s, _ = x.shape
        qkv = F.linear(x, self.split.local(self.qkv)).view(b, s, self.heads, 3, self.head_width)
        q, k, v = qkv.unbind(3)
        if table is not None:
            q, k = rotate(q, table), rotate(k, table)
        y = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
        )
        y = y.transpose(1, 2).reshape(b, s, self.heads * self.head_width)
        return self.split.scatter(F.linear(y, self.split.local(self.out)))

    def mlp(self, x: Tensor) -> Tensor:
        """Return the two-layer perceptron of (b, s/t, h)."""
        x = F.gelu(F.linear(self.split.gather(x), self.split.local(self.up)), approximate="tanh")
        return self.split.scatter(F.linear(x, self.split.local(self.down)))


class Transformer(nn.Module):
    """The whole model. Its output layer is its embedding."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        tensor: DeviceMesh | None = None,
        checkpoint_every: int = 0,
        loss_chunks: int = 1,
    ) -> None:
        super().__init__()
        self.settings, self.loss_chunks = settings, loss_chunks
        split = Split(tensor)
        self.embedding = nn.Parameter(torch.empty(settings.vocabulary, settings.width))
        learned = settings.positions == "learned"
        self.positions = (
            nn.Parameter(torch.empty(settings.sequence, settings.width)) if learned else None
        )
        self.blocks = nn.ModuleList(
            Block(
                settings,
                split,
                recompute=bool(checkpoint_every) and index % checkpoint_every == 0,
            )
            for index in range(settings.layers)
        )
        self.final_norm = nn.Parameter(torch.empty(settings.width))
        self.register_buffer(
            "rotary",
            None if learned else torch.empty(2, settings.sequence, 1, self.head_width // 2),
            persistent=False,
        )
        # Which part of each sequence this rank's slice of the stream is.
        tokens = settings.sequence // split.ways
        start = tensor.get_local_rank() * tokens if tensor else 0
        self.tokens = slice(start, start + tokens)

    @property
    def head_width(self) -> int:
        return self.settings.width // self.settings.heads

    def forward(self, inputs: Tensor, targets: Tensor, scale: float) -> Tensor:
        """Return `scale` times the summed cross entropy of this rank's tokens, a scalar.

        Args:
            inputs: Token ids of whole sequences, (b, s).
            targets: The id that follows each, (b, s).
            scale: One over the tokens of the whole batch, so that the sum over micro-steps and
                ranks is the mean, and its gradient is the batch's.
        """
        x = F.embedding(inputs[:, self.tokens], self.embedding)
        if self.positions is not None:
            x = x + self.positions[self.tokens]
        for block in self.blocks:
            x = block(x, self.rotary)
        x = norm(x, self.final_norm)
        return chunked_cross_entropy(
            x.flatten(0, 1),
            self.embedding,
            targets[:, self.tokens].flatten(),
            chunks=self.loss_chunks,
            scale=scale,
        )

    def fill_buffers(self) -> None:
        """Compute the rotary table, which `to_empty` leaves undefined."""
        if not isinstance(self.rotary, Tensor):
            return
        half = self.head_width // 2
        exponents = torch.arange(half, dtype=torch.float64, device=self.rotary.device) / half
        steps = torch.arange(self.settings.sequence, dtype=torch.float64, device=exponents.device)
        angles = (steps[:, None] * ROTARY_BASE**-exponents)[:, None, :]
        self.rotary.copy_(torch.stack((angles.cos(), angles.sin())))


def deviation(name: str, settings: ModelSettings) -> float:
    """Return the standard deviation that a weight starts with; norms (0) start at one."""
    leaf = name.rpartition(".")[2]
    if leaf.endswith("norm"):
        return 0.0
    if leaf in {"out", "down"}:
        return INITIAL_DEVIATION / math.sqrt(2 * settings.layers)
    return INITIAL_DEVIATION


def parameter_count(settings: ModelSettings) -> int:
    """Return N: parameters that multiply activations, which is all but learned positions."""
    h = settings.width
    return settings.layers * (12 * h * h + 2 * h) + settings.vocabulary * h + h


def flops_per_token(settings: ModelSettings) -> int:
    """Return 6N + 12Lhs: forward and backward, nothing counted for recomputation.

    The second term counts attention as if it were not causal, as the PaLM paper (appendix B)
    and the published tables do.
    """
    attention = 12 * settings.layers * settings.width * settings.sequence
    return 6 * parameter_count(settings) + attention
