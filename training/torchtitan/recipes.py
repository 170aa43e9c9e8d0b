"""Recipes of torchtitan that are known by name."""

import argparse
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

RECIPES: Final = {"llama3-smoke": SMOKE}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a command the two arguments that say what a run is."""
    parser.add_argument("recipe", help="name of a recipe, or path of a file that defines RECIPE")
    parser.add_argument("--set", action="append", default=[], metavar="PART.NAME=VALUE")


def chosen(recipe: str, changes: Iterable[str]) -> Settings:
    """Return a recipe with every `PART.NAME=VALUE` applied.

    Raises:
        UserError: If there is no such recipe or setting, or the values cannot be.
    """
    found = RECIPES.get(recipe) or defined_in(recipe, Settings, RECIPES)
    return found.override(assignments(changes))
