"""The figures of torchtitan's models that a layout is judged by.

.venv-torchtitan/bin/python -m facts.torchtitan_models
"""

import importlib
import json
from pathlib import Path
from typing import Final

import torch

from training.torchtitan.models import spec

FAMILIES: Final = {
    "llama3": "llama3_configs",
    "qwen3": "qwen3_configs",
    "deepseek_v3": "deepseekv3_configs",
    "kimi_k2_7": "kimi_k2_5_configs",
}
"""Folders of `torchtitan.models` for text, and the table of each."""
LENGTH: Final = 128
"""Tokens for which torchtitan is asked how much it computes; only differences matter."""
FILE: Final = Path(__file__).parents[1] / "training" / "torchtitan" / "layout" / "models.json"


def facts(family: str, flavor: str) -> dict[str, int]:
    """Return the figures of one model that a layout is judged by."""
    config = spec(family, flavor).model
    with torch.device("meta"):
        model = config.build()
    sizes = {name: value.shape for name, value in model.named_parameters()}
    last = len(config.layers) - 1
    mixed = [layer.moe for layer in config.layers if getattr(layer, "moe", None)]
    experts = sizes.get(f"layers.{last}.moe.routed_experts.inner_experts.w1_EFD", (0, 0, 0))
    shared = sizes.get(f"layers.{last}.moe.shared_experts.w1.weight", (0,))[0]
    attention = config.layers[0].attention
    of_low_rank = hasattr(attention, "kv_lora_rank")
    head = getattr(attention, "head_dim", None) or config.dim // attention.n_heads
    if of_low_rank:  # of scores and of values: the mean counts the products of both
        keys = attention.qk_nope_head_dim + attention.qk_rope_head_dim
        head = (keys + attention.v_head_dim) // 2
    matrices = [v.numel() for n, v in sizes.items() if n.startswith(f"layers.{last}.attention.")]
    _, flops = config.get_nparams_and_flops(model, LENGTH)
    return {
        "layers": len(config.layers),
        "width": config.dim,
        "heads": attention.n_heads,
        "key_value_heads": getattr(attention, "n_kv_heads", None) or attention.n_heads,
        "vocabulary": config.vocab_size,
        "longest": attention.rope.max_seq_len,
        "head": head,
        "inner": sizes.get("layers.0.feed_forward.w1.weight", (0,))[0],
        "experts": experts[0],
        "experts_per_token": mixed[0].router.top_k if mixed else 0,
        "expert_width": experts[1],
        "shared_experts": shared // experts[1] if mixed else 0,
        "dense_layers": len(config.layers) - len(mixed) if mixed else 0,
        "tied": int("lm_head.weight" not in sizes),
        "low_rank_attention": sum(matrices) if of_low_rank else 0,
        "parameters": sum(size.numel() for size in sizes.values()),
        "flops_per_token": int(flops),
    }


def table() -> dict[str, dict[str, dict[str, int]]]:
    """Return the figures of every model."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for family, name in FAMILIES.items():
        flavors = getattr(importlib.import_module(f"torchtitan.models.{family}"), name)
        found[family] = {flavor: facts(family, flavor) for flavor in flavors}
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")
