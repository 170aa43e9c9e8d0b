"""The console command.

ultracluster image ENVIRONMENT [--login] [--write]

It prints today's image, the one that the environment's file names, and what differs; `--write` puts
today's id into the file. Exit code 1 where the file names an image that the account does not have.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ultracluster.command_line import add_environment, add_format, print_json, say
from ultracluster.environments import FOLDER, find, project_folder
from ultracluster.exit_status import ALL_WELL, SOME_FAIL
from ultracluster.image.source import located
from ultracluster.tables import Column, Rows

if TYPE_CHECKING:
    from ultracluster.image.images import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    parser.add_argument("--login", action="store_true", help="the login nodes' image")
    parser.add_argument("--write", action="store_true", help="put today's id into the file")
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    # Imported here: the command line imports this module, and boto3 takes its time.
    from ultracluster.aws import Account  # noqa: PLC0415
    from ultracluster.image.images import comparison  # noqa: PLC0415

    spec, path = find(arguments.environment)
    found = comparison(spec, Account(spec.region), "login" if arguments.login else "nodes")
    written = None
    if arguments.write and found.today != found.pinned:
        written = _write(spec.name, path, found)
    missing = found.pinned_row is None and written is None
    if arguments.json:
        print_json({"environment": spec.name, **_document(found), "written": written})
    else:
        _show(console, found)
        _say(console, arguments.environment, found, written)
    return SOME_FAIL if missing else ALL_WELL


def _write(name: str, path: Path | None, found: "Comparison") -> Path:
    folder = project_folder() / FOLDER
    files = sorted(folder.glob("[!_.]*.py")) if path is None else [path]
    literal = located(files, name, found.whose)
    literal.path.write_bytes(literal.replaced(found.today))
    return literal.path


def _document(found: "Comparison") -> dict[str, Any]:
    return {
        "image_of": found.whose,
        "parameter": found.parameter,
        "pinned": found.pinned,
        "pinned_exists": found.pinned_row is not None,
        "today": found.today,
        "differences": [each._asdict() for each in found.differences],
    }


def _show(console: Console, found: "Comparison") -> None:
    table = Rows((Column("what"), Column("pinned", "prose"), Column("today", "prose")))
    table.add(f"image of {found.whose}", found.pinned, found.today)
    for what, pinned, today in found.differences:
        table.add(what, pinned, today)
    if found.pinned_row is None:
        row = found.today_row
        table.add("Name", "no such image in this account", str(row.get("Name", "none")))
        table.add("CreationDate", "", str(row.get("CreationDate", "none")))
    console.print(table)


def _say(console: Console, name: str, found: "Comparison", written: Path | None) -> None:
    if written is not None:
        words = f"{written} names {found.today} now; the next deployment replaces nodes."
    elif found.today == found.pinned:
        words = "The file names today's image."
    else:
        option = " --login" if found.whose == "login" else ""
        words = f"ultracluster image {name}{option} --write puts today's id into the file."
    say(console, words)
