"""The model and its training, written a second time: one process, fp64, nothing clever.

Attention is a softmax, the loss has all its logits, the optimizer is PyTorch's AdamW, and there is
no mesh. What the program computes on any number of ranks has to equal this.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from training.data import Order
from training.optimizer import learning_rate
from training.settings import Settings
from training.tokens import TokenFolder


def attention(x: Tensor, qkv: Tensor, out: Tensor, heads: int, *, rotary: bool) -> Tensor:
    b, s, h = x.shape
    q, k, v = (x @ qkv.T).view(b, s, heads, 3, h // heads).permute(3, 0, 2, 1, 4)
    if rotary:
        q, k = (turn(t) for t in (q, k))
    scores = q @ k.transpose(-1, -2) / (h // heads) ** 0.5
    hidden = torch.ones(s, s, dtype=torch.bool).triu(1)
    weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
    return (weights @ v).transpose(1, 2).reshape(b, s, h) @ out.T


def turn(x: Tensor) -> Tensor:
    """Multiply each pair, read as a complex number, by exp(i * position * frequency)."""
    s, d = x.shape[-2:]
    frequencies = 10_000.0 ** -(torch.arange(d // 2, dtype=torch.float64) / (d // 2))
    # The program holds its table in the model's precision; here that is fp64, too.
    angles = torch.arange(s, dtype=torch.float64)[:, None] * frequencies
    z = torch.complex(*x.chunk(2, -1)) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat((z.real, z.imag), -1)


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def loss(weights: dict[str, Tensor], settings: Settings, rows: Tensor) -> Tensor:
    model = settings.model
    x = weights["embedding"][rows[:, :-1]]
    rotary = model.positions == "rotary"
    if not rotary:
        x = x + weights["positions"]
    for layer in range(model.layers):
        w = {n.split(".", 2)[2]: t for n, t in weights.items() if n.startswith(f"blocks.{layer}.")}
        y = rms_norm(x, w["attention_norm"])
        x = x + attention(y, w["qkv"], w["out"], model.heads, rotary=rotary)
        x = x + F.gelu(rms_norm(x, w["mlp_norm"]) @ w["up"].T, approximate="tanh") @ w["down"].T
    logits = rms_norm(x, weights["final_norm"]) @ weights["embedding"].T
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def trained(settings: Settings, start: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """Return the weights after so many steps from `start`, the whole batch at once."""
    weights = {name: value.clone().requires_grad_() for name, value in start.items()}
    options = settings.optimizer
    groups = [
        {
            "params": [w for w in weights.values() if w.ndim > 1],
            "weight_decay": options.weight_decay,
        },
        {"params": [w for w in weights.values() if w.ndim == 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, betas=options.betas, eps=options.epsilon)
    folder = TokenFolder.open(
        settings.data.path, sequence=settings.model.sequence, vocabulary=settings.model.vocabulary
    )
    order = Order(len(folder), settings.run.seed)
    size = settings.data.global_batch
    for step in range(steps):
        places = torch.arange(step * size, (step + 1) * size).numpy()
        rows = torch.from_numpy(folder.read(order.at(places)))
        loss(weights, settings, rows).backward()
        # By hand: PyTorch's clip_grad_norm_ adds 1e-6 to the norm.
        gradients = [w.grad for w in weights.values() if w.grad is not None]
        assert len(gradients) == len(weights)
        norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
        for gradient in gradients:
            gradient.mul_(min(1.0, options.clip_norm / norm.item()))
        for group in adam.param_groups:
            group["lr"] = learning_rate(options, step, settings.run.steps)
        adam.step()
        adam.zero_grad()
    return {name: value.detach() for name, value in weights.items()}
