"""Finds the environment that the command line names, by its name or by a file."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ultracluster.exit_status import UsageError
from ultracluster.suggestions import did_you_mean

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec

FOLDER: Final = "environments"
WRITTEN_NAME: Final = re.compile(r"^name: *[\"']?([\w-]+)", re.MULTILINE)
"""A name in a YAML file."""
T = TypeVar("T")


def project_folder() -> Path:
    """Return the nearest folder, upwards from here, with `environments` or a `cdk.json`.

    If there is none, return the current folder.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir() or (folder / "cdk.json").is_file():
            return folder
    return here


def registered(
    project: Path | None = None, *, also: Path | None = None
) -> tuple["EnvironmentSpec", ...]:
    """Return the environments of a project: those that the files of `environments` define.

    Args:
        project: its folder; None takes the nearest.
        also: a file outside of the project, whose names must not be used in the project.

    Raises:
        SpecError, EnvironmentFileError, ExceptionGroup: with every problem of every file.
    """
    # Imported here: what needs no environment need not wait for pydantic.
    from ultracluster.spec.environment import EnvironmentSpec  # noqa: PLC0415
    from ultracluster.spec.loading import load_folder  # noqa: PLC0415

    return load_folder((project or project_folder()) / FOLDER, EnvironmentSpec, also=also)


def find_all(name: str) -> tuple[tuple["EnvironmentSpec", ...], Path | None]:
    """Return an environment by its name, or all those of a Python file by its path.

    Raises:
        UsageError: where there is no such environment.
        SpecError: where one cannot work, with every problem.
        EnvironmentFileError: where the file defines none.
    """
    path = find_path(name)
    if path is None:
        return (named(name, {each.name: each for each in registered()}),), None
    from ultracluster.spec.environment import EnvironmentSpec  # noqa: PLC0415
    from ultracluster.spec.loading import load  # noqa: PLC0415

    return load(path, EnvironmentSpec, project=project_folder()), path


def find_path(name: str) -> Path | None:
    """Return the path if the argument is one, or None for the name of an environment."""
    return Path(name) if name.endswith((".py", ".yaml", ".yml")) or "/" in name else None


def named(name: str, known: Mapping[str, T], folder: str = FOLDER) -> T:
    """Return the environment that has a name, or the recipe.

    Args:
        name: the name.
        known: the environments or recipes of this project, by name.
        folder: the folder that defines them.

    Raises:
        UsageError: if none has the name.
    """
    if name in known:
        return known[name]
    what = f"{name}: no such {folder.removesuffix('s')}"
    file = "the path of a Python or YAML file"
    if not known:
        raise UsageError(f"{what}; {project_folder() / folder} holds none, so write {file}")
    raise UsageError(f"{what}{did_you_mean(name, known)}; write {', '.join(known)} or {file}")


def find(name: str) -> tuple["EnvironmentSpec", Path | None]:
    """Return the one environment that a name or a file stands for.

    Raises:
        UsageError: where there is none, or a file holds several.
    """
    found, path = find_all(name)
    if len(found) > 1:
        names = ", ".join(spec.name for spec in found)
        raise UsageError(f"{name}: it defines {names}; name a file that defines one of them alone")
    return found[0], path


def written_names(folder: str, kind: str) -> Iterator[str]:
    """Yield the names in files of the project, without running the files.

    Shell completion uses it, and has to be fast.

    Args:
        folder: `environments` or `recipes`.
        kind: the class whose calls have a `name=`.
    """
    files = sorted((project_folder() / folder).glob("[!_.]*"))
    for path in files:
        if path.suffix in (".yaml", ".yml"):
            yield from WRITTEN_NAME.findall(path.read_text(encoding="utf-8", errors="replace"))
    for path in (each for each in files if each.suffix == ".py"):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == kind:
                given = {each.arg: each.value for each in node.keywords}.get("name")
                if isinstance(given, ast.Constant):
                    yield str(given.value)
