"""Files of environments and of recipes: Python, read with every problem reported at once."""

import runpy
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ultracluster.spec.base import Spec
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.problem import (
    Collection,
    EnvironmentFileError,
    Problem,
    SpecError,
    collecting,
)

if TYPE_CHECKING:
    from ultracluster.spec.recipe import RecipeSpec

__all__ = ["EnvironmentFileError", "load", "load_recipes", "verified"]

SpecT = TypeVar("SpecT", bound=Spec)

NOUNS: Final = {
    "EnvironmentSpec": ("environment", "MINE = EnvironmentSpec(name=..., region=..., ...)"),
    "RecipeSpec": ("recipe", "MINE = RecipeSpec(name=..., model=..., ...)"),
}
"""By the name of the class: what a file holds, in a reader's words, and how one is written."""


def verified(collection: Collection, specs: Iterable[SpecT]) -> tuple[SpecT, ...]:
    """Return environments, or recipes, that were built under a collection, if all can work.

    Raises:
        SpecError: with every problem of all of them and of the specs inside them, and one for
            each name that is used twice.
    """
    known = tuple(specs)
    problems = _problems(collection, known)
    if problems:
        raise SpecError(problems)
    return known


def _problems(collection: Collection, known: tuple[Spec, ...]) -> list[Problem]:
    names: list[str] = []
    for index, spec in enumerate(known):
        noun, _ = NOUNS[type(spec).__name__]
        name = vars(spec).get("name") or f"{noun}s[{index}]"
        if name in names:
            fix = f"another {noun} has that name; give each a name of its own"
            collection.found.append((spec, Problem("name", name, fix)))
        names.append(name)
    return collection.problems(zip(names, known, strict=True))


def load(path: Path) -> tuple[EnvironmentSpec, ...]:
    """Return the environments that a Python file defines at its top level.

    Args:
        path: a file that assigns one or more `EnvironmentSpec` to names. It runs as Python does.

    Raises:
        EnvironmentFileError: where the file is missing, does not run, or holds no environment.
        SpecError: with every problem of the environments that it holds.
    """
    environments, problems = read(path)
    if problems:
        raise SpecError(list(problems))
    return environments


def load_recipes(path: Path, *, besides: Iterable["RecipeSpec"] = ()) -> tuple["RecipeSpec", ...]:
    """Return the recipes that a Python file defines at its top level.

    Args:
        path: a file that assigns one or more `RecipeSpec` to names. It runs as Python does.
        besides: what the file may import to build on, and is not about.

    Raises:
        EnvironmentFileError: where the file is missing, does not run, or holds none.
        SpecError: with every problem of those that it holds.
    """
    # Imported here: who loads environments alone need not wait for it.
    from ultracluster.spec.recipe import RecipeSpec  # noqa: PLC0415

    recipes, problems = _read(path, RecipeSpec, besides)
    if problems:
        raise SpecError(list(problems))
    return recipes


def read(path: Path) -> tuple[tuple[EnvironmentSpec, ...], tuple[Problem, ...]]:
    """Return the environments that a Python file defines, and every problem of them.

    Raises:
        EnvironmentFileError: where the file is missing, does not run, or holds no environment.
        SpecError: where its problems stopped it from running.
    """
    return _read(path, EnvironmentSpec, ())


def _read(
    path: Path, kind: type[SpecT], besides: Iterable[SpecT]
) -> tuple[tuple[SpecT, ...], tuple[Problem, ...]]:
    noun, example = NOUNS[kind.__name__]
    if not path.is_file():
        raise EnvironmentFileError(f"{path}: no such file; write the path of a Python file")
    with collecting() as collection:
        sys.path.insert(0, str(path.parent))  # as Python does for a file that it runs
        try:
            namespace = runpy.run_path(str(path))
        except (Exception, SystemExit) as error:
            if collection.found:  # the faults that were found explain why it did not run
                raise SpecError(collection.problems(())) from error
            raise EnvironmentFileError(_where(path, error)) from error
        finally:
            sys.path.remove(str(path.parent))
        others = {id(spec) for spec in besides}
        found = {
            id(v): v for v in namespace.values() if isinstance(v, kind) and id(v) not in others
        }
        if not found and not collection.found:
            raise EnvironmentFileError(f"{path}: it defines no {noun}; write {example}")
        known = tuple(found.values())
        return known, tuple(_problems(collection, known))


def _where(path: Path, error: BaseException) -> str:
    """Say in one line what stopped a file from running, and where."""
    if isinstance(error, SyntaxError):
        place = f"{path}" if error.lineno is None else f"{error.filename}:{error.lineno}"
        return f"{place}: {error.msg}"
    steps = traceback.extract_tb(sys.exc_info()[2])
    lines = [step.lineno for step in steps if step.filename == str(path)]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    return " ".join(f"{place}: {type(error).__name__}: {error}".split())
