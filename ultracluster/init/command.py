"""The command `ultracluster init`."""

import argparse
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.command_line import add_format, print_result
from ultracluster.exit_status import ALL_WELL, UsageError

PLACEHOLDER: Final = "my-cluster"
"""Stands for the project's name in the files of `project/`."""
HIDDEN: Final = "dot-"
"""Begins names of files that begin with a dot in a project; a wheel would lose those."""
PACKAGE: Final = "ultracluster"
NEEDED: Final = f"{PACKAGE}[rehearse]"
REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[\w,]+)\])?")
OF_EXTRA: Final = re.compile(r"""extra == ["'](?P<extra>\w+)["']""")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, help="folder to create; its name becomes the environment's name"
    )
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write a project that passes `check`, `cdk synth` and `rehearse` as it is."""
    folder = arguments.folder
    try:
        name = folder.resolve().name
    except (OSError, RuntimeError) as error:  # links in a circle
        raise UsageError(f"{folder}: {error}; name another folder") from None
    _refuse(folder, name)
    texts = dict(_texts(files("ultracluster.init") / "project", name))
    pinned = pins(NEEDED)
    pinned[NEEDED] = pinned.pop(PACKAGE)
    texts["requirements.txt"] = "".join(f"{each}=={pinned[each]}\n" for each in sorted(pinned))
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    into = "" if folder.resolve() == Path.cwd() else f"cd {folder}, "
    print_result(
        console,
        {"environment": name, "folder": folder, "files": sorted(texts)},
        f"{folder} is a project with the environment {name}:",
        *(f"  {path}" for path in sorted(texts)),
        f"Next: {into}npm install, ultracluster rehearse {name}.",
        f"Then write what you need into environments/{name}.py; README.md has the commands.",
        as_json=arguments.json,
    )
    return ALL_WELL


def _refuse(folder: Path, name: str) -> None:
    """Refuse what would overwrite files, and a name that no environment can have.

    Raises:
        UsageError: with what to write instead.
    """
    # Imported here: the command line imports this module, and pydantic takes its time.
    from ultracluster.spec.environment import LONGEST_NAME, NAME  # noqa: PLC0415

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: the folder exists and is not empty; name another folder")
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{folder}: got {name}, which becomes the environment's name; write at most "
            f"{LONGEST_NAME} small letters, digits and single dashes, a letter first"
        )


def _texts(folder: Traversable, name: str, under: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of each file of a project, with its name in them."""
    for entry in folder.iterdir():
        path = under + entry.name.replace(HIDDEN, ".").replace(PLACEHOLDER, name)
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _texts(entry, name, f"{path}/")
        elif entry.is_file():
            yield path, entry.read_text("utf-8").replace(PLACEHOLDER, name)


def pins(requirement: str, found: dict[str, str] | None = None) -> dict[str, str]:
    """Return the version that is installed here of a requirement and of all that it needs."""
    found = {} if found is None else found
    given = REQUIREMENT.match(requirement)
    name = re.sub(r"[-_.]+", "-", given["name"]).lower() if given else ""
    extras = (given["extras"] or "").split(",") if given else []
    if not given or (name in found and not any(extras)):
        return found
    try:
        found[name] = version(name)
    except PackageNotFoundError:  # of another system, or another version of Python
        return found
    for needed in requires(name) or ():
        extra = OF_EXTRA.search(needed)
        if extra is None or extra["extra"] in extras:
            pins(needed, found)
    return found
