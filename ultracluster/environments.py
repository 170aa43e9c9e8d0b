"""Which environment a word on the command line means."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec


class UsageError(ValueError):
    """A command that cannot be carried out as it was given."""


def find_all(name: str) -> tuple[tuple["EnvironmentSpec", ...], Path | None]:
    """Return an environment by its name, or all those of a Python file by its path.

    Raises:
        UsageError: where there is no such environment.
        SpecError: where one cannot work, with every problem.
        EnvironmentFileError: where the file holds none.
    """
    path = find_path(name)
    if path is not None:
        # Imported here: what needs no environment need not wait for pydantic.
        from ultracluster.spec.loading import load  # noqa: PLC0415

        # What a file imports from here to build on is not what it is about.
        ours = {id(spec) for spec in registered()}
        found = tuple(spec for spec in load(path) if id(spec) not in ours)
        if not found:
            raise UsageError(f"{name}: it holds no environment of its own; write one")
        return found, path
    return (find_registered(name),), None


def find_path(name: str) -> Path | None:
    """Return the file that is meant, or None for the name of an environment."""
    return Path(name) if name.endswith(".py") or "/" in name else None


def find_registered(name: str) -> "EnvironmentSpec":
    """Return an environment of this repository by its name.

    Raises:
        UsageError: where there is no such environment.
        SpecError: where one of the repository cannot work.
    """
    known = {spec.name: spec for spec in registered()}
    if name not in known:
        raise UsageError(
            f"{name}: no such environment; write {', '.join(known)} or the path of a Python file"
        )
    return known[name]


def find(name: str) -> tuple["EnvironmentSpec", Path | None]:
    """Return the one environment that a name or a file stands for.

    Raises:
        UsageError: where there is none, or a file holds several.
    """
    found, path = find_all(name)
    if len(found) > 1:
        names = ", ".join(spec.name for spec in found)
        raise UsageError(f"{name}: it holds {names}; name a file that holds one of them alone")
    return found[0], path


def registered() -> tuple["EnvironmentSpec", ...]:
    """Return the environments of this repository."""
    environments: tuple[EnvironmentSpec, ...]
    environments = importlib.import_module("environments").ENVIRONMENTS
    return environments
