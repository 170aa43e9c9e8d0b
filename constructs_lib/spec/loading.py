"""Files of environments and of recipes: Python, read with every problem reported at once."""

import runpy
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar

from constructs_lib.spec.base import Spec
from constructs_lib.spec.environment import EnvironmentSpec
from constructs_lib.spec.problem import Collection, Problem, SpecError, collecting
from constructs_lib.spec.recipe import RecipeSpec

SpecT = TypeVar("SpecT", bound=Spec)

NOUNS: Final[dict[type[Spec], tuple[str, str]]] = {
    EnvironmentSpec: ("environment", "MINE = EnvironmentSpec(name=..., region=..., ...)"),
    RecipeSpec: ("recipe", "MINE = RecipeSpec(name=..., model=..., ...)"),
}
"""What a file holds, in a reader's words, and how one is written."""


class EnvironmentFileError(ValueError):
    """A file that holds no environment or recipe, or that Python could not run."""


def verified(collection: Collection, specs: Iterable[SpecT]) -> tuple[SpecT, ...]:
    """Return environments, or recipes, that were built under a collection, if all can work.

    Raises:
        SpecError: with every problem of all of them and of the specs inside them, and one for
            each name that is used twice.
    """
    known = tuple(specs)
    names: list[str] = []
    for index, spec in enumerate(known):
        noun, _ = NOUNS[type(spec)]
        name = vars(spec).get("name") or f"{noun}s[{index}]"
        if name in names:
            fix = f"another {noun} has that name; give each a name of its own"
            collection.found.append((spec, Problem("name", name, fix)))
        names.append(name)
    problems = collection.problems(zip(names, known, strict=True))
    if problems:
        raise SpecError(problems)
    return known


def load(path: Path) -> tuple[EnvironmentSpec, ...]:
    """Return the environments that a Python file defines at its top level; see `load_specs`."""
    return load_specs(path, EnvironmentSpec)


def load_specs(
    path: Path, kind: type[SpecT], *, besides: Iterable[SpecT] = ()
) -> tuple[SpecT, ...]:
    """Return the specs of one kind that a Python file defines at its top level.

    Args:
        path: a file that assigns one or more of them to names. It runs as Python does.
        kind: `EnvironmentSpec` or `RecipeSpec`.
        besides: what the file may import to build on, and is not about.

    Raises:
        EnvironmentFileError: where the file is missing, does not run, or holds none.
        SpecError: with every problem of those that it holds.
    """
    noun, example = NOUNS[kind]
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
        return verified(collection, found.values())


def _where(path: Path, error: BaseException) -> str:
    """Say in one line what stopped a file from running, and where."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    steps = traceback.extract_tb(sys.exc_info()[2])
    lines = [step.lineno for step in steps if step.filename == str(path)]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    return " ".join(f"{place}: {type(error).__name__}: {error}".split())
