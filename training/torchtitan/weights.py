"""Weights as Hugging Face's libraries read them: safetensors and, of Llama, config.json."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from torchtitan.components.checkpointer.base import MODEL
from torchtitan.components.checkpointer.dcp import AsyncMode

from training.torchtitan.settings import Settings

FILE_BYTES: Final = 5 * 10**9
"""Weights of one file, as transformers itself writes them."""
DTYPES: Final = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def export(run: Any, settings: Settings) -> None:
    """Write the weights of a run, all ranks together.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder = Path(str(settings.weights.export))
    dtype = DTYPES[settings.weights.export_dtype]
    manager = run.checkpointer
    manager.sd_adapter.fqn_to_index_mapping = files(run, dtype)
    states = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in manager.states[MODEL].state_dict().items()
    }
    manager.dcp_save(states, str(folder), AsyncMode.DISABLED, to_hf=True)
    if dist.get_rank() == 0:
        shutil.rmtree(folder / "sharded", ignore_errors=True)
        if settings.model.family == "llama3":
            text = json.dumps(llama(run.model_config, settings), indent=2)
            (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    dist.barrier()


def files(run: Any, dtype: torch.dtype) -> dict[str, int]:
    """Return the number of the file that each weight goes to: of all, not of this rank's alone."""
    with torch.device("meta"):
        whole = run.model_config.build().state_dict()
    found: dict[str, int] = {}
    number, held = 1, 0
    for name, value in run.checkpointer.sd_adapter.to_hf(dict(whole)).items():
        size = value.numel() * dtype.itemsize
        if held and held + size > FILE_BYTES:
            number, held = number + 1, 0
        held += size
        found[name] = number
    return found


def llama(config: Any, settings: Settings) -> Mapping[str, Any]:
    """Return what transformers calls the shape of a Llama."""
    layer = config.layers[0]
    rope = layer.attention.rope
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": layer.feed_forward.w1.out_features,
        "num_hidden_layers": len(config.layers),
        "num_attention_heads": layer.attention.n_heads,
        "num_key_value_heads": layer.attention.n_kv_heads or layer.attention.n_heads,
        "hidden_act": "silu",
        "rms_norm_eps": layer.attention_norm.eps,
        "tie_word_embeddings": config.enable_weight_tying,
        "max_position_embeddings": settings.layout().facts["longest"],
        "rope_theta": rope.theta,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": rope.scaling_factor,
            "low_freq_factor": rope.low_freq_factor,
            "high_freq_factor": rope.high_freq_factor,
            "original_max_position_embeddings": rope.original_max_position_embeddings,
        },
        "torch_dtype": settings.weights.export_dtype,
    }
