"""Recipes by name or file, requests that somebody else wrote, and every check of these."""

from collections.abc import Mapping
from typing import Any, Final

from ultracluster import service_model
from ultracluster.catalogue.training_place import Place, place_problems
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import alone
from ultracluster.environments import find_path, named, project_folder
from ultracluster.exit_status import UsageError
from ultracluster.problem import Problem
from ultracluster.spec.loading import load, load_folder
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.untrusted_file import json_of, once, text_of

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
        raise UsageError(f"{name}: it defines {held}; name a file that defines one recipe")
    return named(name, {recipe.name: recipe for recipe in registered()}, FOLDER)


STANDARD_INPUT: Final = "-"
MOST_BYTES: Final = 1_000_000
"""A request that SageMaker takes is a hundredth of it."""


def read(name: str) -> Any:
    """Return what a JSON file holds; `-` is standard input.

    Raises:
        UnreadableError: where it cannot be read, is no JSON, or has a name twice.
    """
    path = "/dev/stdin" if name == STANDARD_INPUT else name
    text = text_of(path, MOST_BYTES, "a request has 0.01")
    return json_of(name, text, once)


def request_problems(request: object, place: Place | None = None) -> list[Problem]:
    """Return everything that is wrong with a CreateTrainingJob request."""
    found = list(service_model.problems("sagemaker", "CreateTrainingJob", request))
    if not isinstance(request, Mapping):
        return found
    value = parsed(request)
    beyond = list(alone(value, place.region if place else None))
    beyond += place_problems(value, place) if place else ()
    # Where the model has something to say of a value, that is enough: one fault, one line.
    of_the_model = {problem.field for problem in found}
    return found + [problem for problem in beyond if problem.field not in of_the_model]
