"""Recipes that are known by name: `python -m training.train gpt-1b`.

Paths are relative, so that the job's working folder (the Lustre mount on a cluster) decides.
Which partition size a model needs on which GPU is worked out in docs/training/README.md.
"""

import argparse
import runpy
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from training.problems import UserError
from training.settings import (
    CheckpointSettings,
    DataSettings,
    ModelSettings,
    NumericsSettings,
    OptimizerSettings,
    ParallelSettings,
    RunSettings,
    Settings,
)

Kind = TypeVar("Kind")

GPT2_VOCABULARY = 50304
"""50257 tokens of GPT-2, padded to a multiple of 64 (nanoGPT does the same)."""

SMOKE = Settings(
    model=ModelSettings(layers=2, width=64, heads=4, vocabulary=320, sequence=64),
    data=DataSettings(path="tokens", global_batch=8, micro_batch=2),
    run=RunSettings(steps=50, path="run"),
    numerics=NumericsSettings(dtype="fp32", compile=False, loss_chunks=2),
    optimizer=OptimizerSettings(learning_rate=3e-3, warmup_steps=10),
    checkpoint=CheckpointSettings(path="checkpoints", every=10),
)
"""Minutes on a laptop's processor: proves that the installation works."""

GPT_124M = Settings(
    model=ModelSettings(layers=12, width=768, heads=12, vocabulary=GPT2_VOCABULARY, sequence=1024),
    data=DataSettings(path="tokens", global_batch=512, micro_batch=64),
    run=RunSettings(steps=20_000, path="run"),
    optimizer=OptimizerSettings(learning_rate=6e-4, warmup_steps=700),
    checkpoint=CheckpointSettings(path="checkpoints", every=1000),
)
"""GPT-2 small, one node."""

GPT_1B = Settings(
    model=ModelSettings(layers=24, width=2048, heads=16, vocabulary=GPT2_VOCABULARY, sequence=2048),
    data=DataSettings(path="tokens", global_batch=512, micro_batch=16),
    run=RunSettings(steps=25_000, path="run"),
    numerics=NumericsSettings(loss_chunks=4),
    optimizer=OptimizerSettings(learning_rate=2e-4, warmup_steps=1000),
    checkpoint=CheckpointSettings(path="checkpoints", every=500),
)
"""1.31 billion parameters at 80 GB per GPU; on 40 GB: numerics.checkpoint_every=1."""

GPT_30B_P4D = Settings(
    model=ModelSettings(layers=48, width=7168, heads=56, vocabulary=GPT2_VOCABULARY, sequence=2048),
    data=DataSettings(path="tokens", global_batch=1024, micro_batch=4),
    run=RunSettings(steps=150_000, path="run"),
    parallel=ParallelSettings(partition_size=32, gpus_per_node=8, hierarchical_gather=True),
    numerics=NumericsSettings(checkpoint_every=1),
    optimizer=OptimizerSettings(learning_rate=1e-4, warmup_steps=2000),
    checkpoint=CheckpointSettings(path="checkpoints", every=100),
)
"""16 p4d.24xlarge nodes in four groups of four, the layout of AWS's own 30B example."""

GPT_1T_P5 = Settings(
    model=ModelSettings(
        layers=128, width=25600, heads=160, vocabulary=GPT2_VOCABULARY, sequence=2048
    ),
    data=DataSettings(path="tokens", global_batch=1536, micro_batch=8),
    run=RunSettings(steps=200_000, path="run"),
    parallel=ParallelSettings(
        partition_size=512, tensor_parallel=8, gpus_per_node=8, hierarchical_gather=True
    ),
    numerics=NumericsSettings(checkpoint_every=1),
    optimizer=OptimizerSettings(learning_rate=6e-5, warmup_steps=3000),
    checkpoint=CheckpointSettings(path="checkpoints", every=50),
)
"""A trillion parameters on 64 p5.48xlarge nodes: one group of all, eight GPUs to a layer."""

RECIPES = {
    "smoke": SMOKE,
    "gpt-124m": GPT_124M,
    "gpt-1b": GPT_1B,
    "gpt-30b-p4d": GPT_30B_P4D,
    "gpt-1t-p5": GPT_1T_P5,
}


def find(name: str) -> Settings:
    """Return the recipe of that name, or `RECIPE` of the Python file of that name."""
    return RECIPES.get(name) or defined_in(name, Settings, RECIPES)


def defined_in(name: str, kind: type[Kind], known: Iterable[str]) -> Kind:
    """Return `RECIPE` of the Python file of that name.

    Args:
        name: The file.
        kind: What RECIPE is to be.
        known: Names that could have been written instead.

    Raises:
        UserError: If there is no such file, or none that defines such a RECIPE.
    """
    if not Path(name).is_file():
        raise UserError(
            f"recipe {name!r}: no such name and no such file; write one of {', '.join(known)}, "
            "or the path of a Python file that defines RECIPE"
        )
    try:
        recipe = runpy.run_path(name).get("RECIPE")
    except (SyntaxError, NameError, TypeError, AttributeError, ImportError) as error:
        # Mistakes of its writer. Anything else may be of a node, which a scheduler tries again.
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == name]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [0])[-1]
        raise UserError(
            f"recipe {name}: line {line}: {type(error).__name__}: {error}; mend the file"
        ) from error
    if not isinstance(recipe, kind):
        raise UserError(
            f"recipe {name}: defines no RECIPE; write RECIPE = Settings(...) in it, with Settings "
            f"of {kind.__module__}"
        )
    return recipe


def parser_of(prog: str, description: str | None = None) -> argparse.ArgumentParser:
    """Return a parser of the two arguments that say what a run is."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", help="name of a recipe, or path of a file that defines RECIPE")
    parser.add_argument("--set", action="append", default=[], metavar="PART.NAME=VALUE")
    return parser


def chosen(recipe: str, changes: Iterable[str]) -> Settings:
    """Return a recipe with every `PART.NAME=VALUE` applied.

    Raises:
        UserError: If there is no such recipe or setting, or the values cannot be.
    """
    return find(recipe).override(assignments(changes))


def assignments(changes: Iterable[str]) -> dict[str, str]:
    """Return texts of the form PART.NAME=VALUE as a mapping."""
    for text in changes:
        if "=" not in text:
            raise UserError(f"--set {text}: has no value; write PART.NAME=VALUE")
    return dict(text.split("=", 1) for text in changes)
