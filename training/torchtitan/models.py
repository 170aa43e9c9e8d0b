"""Models of torchtitan's own list, and one that is larger than all of its dense ones.

python -m training.torchtitan.models    writes what the list says of each
"""

import importlib
import json
from pathlib import Path
from typing import Any, Final

import torch
from torchtitan.models import llama3
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


def llama_1t(**backends: Any) -> Any:
    """Return a Llama 3 of 1.06 trillion parameters: 405B's proportions and depth, made wider."""
    found, width = llama3.llama3_configs["405B"](**backends), 26_624
    found.dim = found.tok_embeddings.embedding_dim = found.norm.normalized_shape = width
    found.lm_head.in_features = width
    found.lm_head.param_init = llama3._output_linear_init(width)
    found.layers = llama3._build_llama3_layers(
        n_layers=len(found.layers),
        dim=width,
        n_heads=width // 128,
        n_kv_heads=8,
        hidden_dim=llama3.compute_ffn_hidden_dim(width, multiple_of=4096, ffn_dim_multiplier=1.2),
        rope=found.layers[0].attention.rope,
        **backends,
    )
    return found


llama3.llama3_configs["1T"] = llama_1t


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
