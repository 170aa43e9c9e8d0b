"""Recipes by their names, or by the path of a Python file."""

from typing import Final

from ultracluster.environments import find_path, project_folder
from ultracluster.exit_status import UsageError
from ultracluster.spec.loading import load, load_folder
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.suggestions import did_you_mean

FOLDER: Final = "recipes"


def registered() -> tuple[RecipeSpec, ...]:
    """Return the recipes of this project: those that the files of `recipes` define."""
    return load_folder(project_folder() / FOLDER, RecipeSpec)


def find_recipe(name: str) -> RecipeSpec:
    """Return the one recipe that a name or a file stands for.

    Raises:
        UsageError: where there is none of that name, or a file holds several.
        EnvironmentFileError: where the file defines none.
        SpecError: where it cannot work, with every problem.
    """
    path = find_path(name)
    if path is not None:
        found = load(path, RecipeSpec, project=project_folder())
        if len(found) == 1:
            return found[0]
        held = ", ".join(recipe.name for recipe in found)
        raise UsageError(f"{name}: it holds {held}; name a file that holds one recipe")
    known = {recipe.name: recipe for recipe in registered()}
    if name in known:
        return known[name]
    if not known:
        raise UsageError(
            f"{name}: no such recipe; {project_folder() / FOLDER} holds none, so write the path of "
            "a Python file"
        )
    raise UsageError(
        f"{name}: no such recipe{did_you_mean(name, known)}; write {', '.join(known)} or the path "
        "of a Python file"
    )
