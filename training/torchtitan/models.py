"""Write what torchtitan's own list says of its models: python -m training.torchtitan.models."""

import importlib
import json
from pathlib import Path
from typing import Any, Final

import torch
from torchtitan.models.common.attention import ScaledDotProductAttention

FAMILIES: Final = {
    "llama3": "llama3_configs",
    "qwen3": "qwen3_configs",
    "deepseek_v3": "deepseekv3_configs",
    "kimi_k2_7": "kimi_k2_5_configs",
}
"""Folders of `torchtitan.models` for text, and the table of each."""
LENGTH: Final = 128
"""Tokens for which torchtitan is asked how much it computes; only differences matter."""
FILE: Final = Path(__file__).parent / "layout" / "models.json"


def spec(family: str, flavor: str) -> Any:
    """Return torchtitan's description of a model, with attention by PyTorch's own kernels.

    Its own masks keep documents apart; our token folders do not know where one ends, so causal
    attention is all there is to compute. Vision towers are left out: the tokens are of text.
    """
    module = importlib.import_module(f"torchtitan.models.{family}")
    found = module.model_registry(flavor, attn_backend="flex")
    for layer in found.model.layers:
        layer.attention.inner_attention = ScaledDotProductAttention.Config()
    if getattr(found.model, "vision_encoder", None) is not None:
        found.model.vision_encoder = None
    return found


def facts(family: str, flavor: str) -> dict[str, int]:
    """Return the figures of one model that a layout is judged by."""
    config = spec(family, flavor).model
    with torch.device("meta"):
        model = config.build()
    parameters = sum(p.numel() for p in model.parameters())
    experts = [layer.moe for layer in config.layers if getattr(layer, "moe", None)]
    attention = config.layers[0].attention
    _, flops = config.get_nparams_and_flops(model, LENGTH)
    return {
        "layers": len(config.layers),
        "width": config.dim,
        "heads": attention.n_heads,
        "key_value_heads": getattr(attention, "n_kv_heads", None) or attention.n_heads,
        "vocabulary": config.vocab_size,
        "longest": attention.rope.max_seq_len,
        "experts": experts[0].num_experts if experts else 0,
        "parameters": parameters,
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
