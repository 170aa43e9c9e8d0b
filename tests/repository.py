"""The environments and recipes of this repository."""

from pathlib import Path
from typing import Final

from ultracluster.environments import registered
from ultracluster.spec.loading import load_folder
from ultracluster.spec.recipe import RecipeSpec

ROOT: Final = Path(__file__).parents[1]
ENVIRONMENTS: Final = registered(ROOT)
RECIPES: Final = load_folder(ROOT / "recipes", RecipeSpec)
