"""One GPU, plainly: what a careful user of PyTorch writes on a good day.

fp32 weights under bf16 autocast, the whole model compiled, fused AdamW, PyTorch's own choice of
attention kernel, tokens from a memory map with a pinned copy. No mesh, no checkpoints, no metrics.
Run by throughput.py; prints one JSON line.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.RMSNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm2 = nn.RMSNorm(width, eps=1e-6)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream after the block."""
        b, s, h = x.shape
        q, k, v = self.qkv(self.norm1(x)).split(h, dim=2)
        q, k, v = (t.view(b, s, self.heads, h // self.heads).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, s, h))
        after: Tensor = x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return after


class Plain(nn.Module):
    """The transformer of `training.model`, in modules of PyTorch."""

    def __init__(self, layers: int, width: int, heads: int, vocabulary: int, sequence: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(sequence, width)
        blocks = [Block(width, heads) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(width, eps=1e-6)
        for weight in self.parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, 0.0, 0.02)
        for block in blocks:
            for last in (block.out.weight, block.down.weight):
                nn.init.normal_(last, 0.0, 0.02 / (2 * layers) ** 0.5)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy."""
        x = self.embedding(inputs) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main() -> int:
    """Train and print tokens per second, peak memory and the last loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("layers", "width", "heads", "vocabulary", "sequence", "batch", "steps", "warmup"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    given = parser.parse_args()
    torch.manual_seed(0)
    with torch.device("cuda"):
        plain = Plain(given.layers, given.width, given.heads, given.vocabulary, given.sequence)
    model = torch.compile(plain)
    adam = torch.optim.AdamW(
        plain.parameters(), lr=2e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    tokens = np.load(given.tokens / "tokens-00000.npy", mmap_mode="r")
    random = np.random.default_rng(0)
    began, loss = 0.0, torch.zeros(())
    for step in range(given.warmup + given.steps):
        if step == given.warmup:
            torch.cuda.synchronize()
            began = time.perf_counter()
        starts = random.integers(0, tokens.size - given.sequence - 1, given.batch)
        rows = np.stack([tokens[at : at + given.sequence + 1] for at in starts]).astype(np.int64)
        batch = torch.from_numpy(rows).pin_memory().to("cuda", non_blocking=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = model(batch[:, :-1], batch[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    sys.stdout.write(
        json.dumps(
            {
                "tokens_per_s": given.steps * given.batch * given.sequence / seconds,
                "memory_gib": torch.cuda.max_memory_reserved() / 2**30,
                "loss": loss.item(),
            }
        )
        + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
