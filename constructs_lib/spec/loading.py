"""Environment files: Python that holds environments, read with every problem reported at once."""

import runpy
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from constructs_lib.spec.environment import EnvironmentSpec
from constructs_lib.spec.problem import (
    Collection,
    EnvironmentFileError,
    Problem,
    SpecError,
    collecting,
)

__all__ = ["EnvironmentFileError", "load", "verified"]

EXAMPLE: Final = "MINE = EnvironmentSpec(name=..., region=..., ...)"


def verified(
    collection: Collection, environments: Iterable[EnvironmentSpec]
) -> tuple[EnvironmentSpec, ...]:
    """Return environments that were built under a collection, if all of them can work.

    Raises:
        SpecError: with every problem of all the environments and of the specs inside them, and
            one for each name that is used twice.
    """
    known = tuple(environments)
    problems = _problems(collection, known)
    if problems:
        raise SpecError(problems)
    return known


def _problems(collection: Collection, known: tuple[EnvironmentSpec, ...]) -> list[Problem]:
    names: list[str] = []
    for index, environment in enumerate(known):
        name = vars(environment).get("name") or f"environments[{index}]"
        if name in names:
            fix = "another environment has that name; give each a name of its own"
            collection.found.append((environment, Problem("name", name, fix)))
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


def read(path: Path) -> tuple[tuple[EnvironmentSpec, ...], tuple[Problem, ...]]:
    """Return the environments that a Python file defines, and every problem of them.

    Raises:
        EnvironmentFileError: where the file is missing, does not run, or holds no environment.
        SpecError: where its problems stopped it from running.
    """
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
        found = {id(v): v for v in namespace.values() if isinstance(v, EnvironmentSpec)}
        if not found and not collection.found:
            raise EnvironmentFileError(f"{path}: it defines no environment; write {EXAMPLE}")
        environments = tuple(found.values())
        return environments, tuple(_problems(collection, environments))


def _where(path: Path, error: BaseException) -> str:
    """Say in one line what stopped a file from running, and where."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    steps = traceback.extract_tb(sys.exc_info()[2])
    lines = [step.lineno for step in steps if step.filename == str(path)]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    return " ".join(f"{place}: {type(error).__name__}: {error}".split())
