"""Models of torchtitan's own list, and one that is larger than all of its dense ones."""

import importlib
from typing import Any

from torchtitan.models import llama3
from torchtitan.models.common.attention import ScaledDotProductAttention


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
