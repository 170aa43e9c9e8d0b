"""Recipes by their names, or by the path of a Python file."""

import importlib
from pathlib import Path

from ultracluster.spec.loading import EnvironmentFileError, load_recipes
from ultracluster.spec.recipe import RecipeSpec


def registered() -> tuple[RecipeSpec, ...]:
    """Return the recipes of this repository."""
    recipes: tuple[RecipeSpec, ...] = importlib.import_module("recipes").RECIPES
    return recipes


def find_recipe(name: str) -> RecipeSpec:
    """Return the one recipe that a name or a file stands for.

    Raises:
        EnvironmentFileError: where there is none, or a file holds several.
        SpecError: where it cannot work, with every problem.
    """
    if name.endswith(".py") or "/" in name:
        found = load_recipes(Path(name), besides=registered())
        if len(found) == 1:
            return found[0]
        held = ", ".join(recipe.name for recipe in found)
        raise EnvironmentFileError(f"{name}: it holds {held}; name a file that holds one recipe")
    known = {recipe.name: recipe for recipe in registered()}
    if name not in known:
        raise EnvironmentFileError(
            f"{name}: no such recipe; write {', '.join(known)} or the path of a Python file"
        )
    return known[name]
