"""Recipes of torchtitan that are known by name."""

from collections.abc import Iterable
from typing import Final

from training.recipes import assignments, defined_in
from training.settings import OptimizerSettings
from training.torchtitan.settings import (
    CheckpointSettings,
    DataSettings,
    ModelSettings,
    NumericsSettings,
    ParallelSettings,
    RunSettings,
    Settings,
)

SMOKE: Final = Settings(
    model=ModelSettings(family="llama3", flavor="debugmodel", sequence=64),
    data=DataSettings(path="tokens", global_batch=8, micro_batch=2),
    parallel=ParallelSettings(partition_size=1),
    run=RunSettings(steps=20, path="run"),
    checkpoint=CheckpointSettings(path="checkpoints", every=5),
    numerics=NumericsSettings(dtype="fp32", compile=False, recompute="none"),
    optimizer=OptimizerSettings(learning_rate=1e-3, warmup_steps=5),
)
"""Llama 3 of 6 million parameters: seconds on a laptop's processor."""

LLAMA_8B: Final = Settings(
    model=ModelSettings(family="llama3", flavor="8B", sequence=8192),
    data=DataSettings(path="tokens", global_batch=512, micro_batch=1),
    parallel=ParallelSettings(partition_size=16),
    run=RunSettings(steps=120_000, path="run"),
    checkpoint=CheckpointSettings(path="checkpoints", every=250),
    optimizer=OptimizerSettings(learning_rate=3e-4, warmup_steps=2000),
)
"""Llama 3 8B; learning rate as torchtitan's own recipe."""

LLAMA_70B: Final = Settings(
    model=ModelSettings(family="llama3", flavor="70B", sequence=8192),
    data=DataSettings(path="tokens", global_batch=1024, micro_batch=4),
    parallel=ParallelSettings(partition_size=64, tensor_parallel=8),
    run=RunSettings(steps=240_000, path="run"),
    checkpoint=CheckpointSettings(path="checkpoints", every=100),
    numerics=NumericsSettings(recompute="full"),
    optimizer=OptimizerSettings(learning_rate=1.5e-4, warmup_steps=2000),
)
"""Llama 3 70B; learning rate and tensor parallelism as torchtitan's own recipe."""

LLAMA_1T: Final = Settings(
    model=ModelSettings(family="llama3", flavor="1T", sequence=4096),
    data=DataSettings(path="tokens", global_batch=4096, micro_batch=1),
    parallel=ParallelSettings(partition_size=64, tensor_parallel=8, pipeline_parallel=64),
    run=RunSettings(steps=37_500, path="run"),
    checkpoint=CheckpointSettings(path="checkpoints", every=12),
    numerics=NumericsSettings(recompute="full"),
    optimizer=OptimizerSettings(learning_rate=5e-5, warmup_steps=2000),
)
"""A dense trillion on 512 p4d.24xlarge: eight GPUs to a layer, 64 stages of two layers."""

KIMI_1T: Final = Settings(
    model=ModelSettings(family="kimi_k2_7", flavor="Kimi-K2.5", sequence=4096),
    data=DataSettings(path="tokens", global_batch=16_384, micro_batch=1),
    parallel=ParallelSettings(partition_size=32, pipeline_parallel=16, expert_parallel=8),
    run=RunSettings(steps=230_000, path="run"),
    checkpoint=CheckpointSettings(path="checkpoints", every=50),
    numerics=NumericsSettings(recompute="full"),
    optimizer=OptimizerSettings(learning_rate=2e-4, warmup_steps=500),
)
"""1.03 trillion parameters, of which 32 billion work on a token: torchtitan's own text model of
Kimi K2.5, with AdamW instead of its Muon, on 64 p5en.48xlarge: experts stay in their node."""

RECIPES: Final = {
    "llama3-smoke": SMOKE,
    "llama3-8b": LLAMA_8B,
    "llama3-70b": LLAMA_70B,
    "llama3-1t": LLAMA_1T,
    "kimi-1t": KIMI_1T,
}


def chosen(recipe: str, changes: Iterable[str]) -> Settings:
    """Return a recipe with every `PART.NAME=VALUE` applied.

    Raises:
        UserError: If there is no such recipe or setting, or the values cannot be.
    """
    found = RECIPES.get(recipe) or defined_in(recipe, Settings, RECIPES)
    return found.override(assignments(changes))
