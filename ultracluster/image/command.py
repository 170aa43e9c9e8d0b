"""The command `ultracluster image`.

ultracluster image ENVIRONMENT [--login] [--write]

It prints today's image, the one that the environment's file names, and what differs; `--write` puts
today's id into the file. Exit code 1 where the file names an image that the account does not have.
"""

import argparse
import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ultracluster.aws import Account, Cloud, ask_unless
from ultracluster.catalogue.images import Difference, differences
from ultracluster.command_line import add_environment, add_format, print_json, progress, say
from ultracluster.environments import FOLDER, find, project_folder
from ultracluster.exit_status import ALL_WELL, SOME_FAIL, CommandError
from ultracluster.spec.data_files import SUFFIXES
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_groups import image_parameter
from ultracluster.tables import Column, Rows

NO_PARAMETER: Final = ("ParameterNotFound", "ParameterVersionNotFound")
NO_IMAGE: Final = ("InvalidAMIID",)
IMAGE: Final = re.compile(r"ami-[0-9a-zA-Z]+")

Row = dict[str, Any]


class NoImageError(CommandError):
    """There is no image of today, or nothing says which one it is."""


@dataclass(frozen=True)
class Comparison:
    """The image that an environment names, beside the one that would be taken today."""

    whose: str
    """`nodes` or `login`."""
    parameter: str
    """The SSM parameter that names today's."""
    pinned: str
    """What the environment's file names."""
    pinned_row: Row | None
    """It as EC2 describes it; None where the account has none."""
    today: str
    today_row: Row

    @property
    def differences(self) -> list[Difference]:
        return list(differences(self.pinned_row, self.today_row)) if self.pinned_row else []


def comparison(spec: EnvironmentSpec, cloud: Cloud, whose: str) -> Comparison:
    """Return what an environment names beside what is there today.

    Raises:
        NoImageError: where it has no such nodes, or no parameter says what is today's.
        CloudError: where AWS refuses to say.
    """
    parameter = image_parameter(spec, login=whose == "login")
    if parameter is None:
        why = "the environment has no login nodes; leave --login out"
        if whose != "login":
            why = f"AWS publishes no image here for {spec.nodes.instance_type}; write the id of "
            why += "one of yours in nodes.image"
        raise NoImageError(f"{spec.name}: {why}")
    own = spec.slurm.login_image if spec.slurm is not None and whose == "login" else None
    pinned = own or spec.nodes.image
    today = _parameter_value(cloud, parameter)
    if not IMAGE.fullmatch(today):  # it may be written into a Python file
        raise NoImageError(
            f"{parameter}: it holds {today!r:.80}, which is not an image id; "
            "write the id of an image into that parameter"
        )
    row = _described(cloud, today)
    if row is None:
        raise NoImageError(f"{parameter}: it names {today}, which {spec.region} does not have")
    named = pinned if pinned.startswith("ami-") else _parameter_value(cloud, pinned)
    return Comparison(whose, parameter, pinned, _described(cloud, named), today, row)


def _parameter_value(cloud: Cloud, parameter: str) -> str:
    answer = ask_unless(cloud, NO_PARAMETER, "ssm", "get_parameter", Name=parameter)
    if answer is None:
        raise NoImageError(
            f"{parameter}: no such SSM parameter; an image of your own is there when its "
            "pipeline has run once (docs/training/node-image.md)"
        )
    return str(answer["Parameter"]["Value"])


def _described(cloud: Cloud, image_id: str) -> Row | None:
    """Return an image, also one that AWS deprecated; None where there is none."""
    named = {"ImageIds": [image_id], "IncludeDeprecated": True}
    answer = ask_unless(cloud, NO_IMAGE, "ec2", "describe_images", **named)
    return dict(answer["Images"][0]) if answer and answer["Images"] else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    parser.add_argument("--login", action="store_true", help="the login nodes' image instead")
    parser.add_argument("--write", action="store_true", help="write today's id into the file")
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    spec, path = find(arguments.environment)
    with progress("asking AWS"):
        cloud = Account(spec.region, account=spec.account)
        found = comparison(spec, cloud, "login" if arguments.login else "nodes")
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


def _write(name: str, path: Path | None, found: Comparison) -> Path:
    folder = project_folder() / FOLDER
    files = sorted(folder.glob("[!_.]*.py")) if path is None else [path]
    file, content = rewritten(files, name, found.whose, found.today)
    file.write_bytes(content)
    return file


def _document(found: Comparison) -> dict[str, Any]:
    return {
        "image_of": found.whose,
        "parameter": found.parameter,
        "pinned": found.pinned,
        "pinned_exists": found.pinned_row is not None,
        "today": found.today,
        "differences": [each._asdict() for each in found.differences],
    }


def _show(console: Console, found: Comparison) -> None:
    table = Rows((Column("what"), Column("pinned", "prose"), Column("today", "prose")))
    table.add(f"image of {found.whose}", found.pinned, found.today)
    for what, pinned, today in found.differences:
        table.add(what, pinned, today)
    if found.pinned_row is None:
        row = found.today_row
        table.add("Name", "no such image in this account", str(row.get("Name", "none")))
        table.add("CreationDate", "", str(row.get("CreationDate", "none")))
    console.print(table)


def _say(console: Console, name: str, found: Comparison, written: Path | None) -> None:
    if written is not None:
        words = f"{written} names {found.today} now; the next deployment replaces nodes."
    elif found.today == found.pinned:
        words = "The file names today's image."
    else:
        option = " --login" if found.whose == "login" else ""
        words = f"ultracluster image {name}{option} --write puts today's id into the file."
    say(console, words)


PLACES: Final = {"nodes": ("nodes", "image"), "login": ("slurm", "login_image")}
"""Field of the environment, and field of its part, by whose image it is."""


class NoLiteralError(CommandError):
    """A file in which the image is no text of its own."""


def rewritten(paths: list[Path], name: str, whose: str, value: str) -> tuple[Path, bytes]:
    """Return the file in which an environment's image stands, with another one in its place.

    Args:
        paths: the files that may define the environment.
        name: the environment's name.
        whose: `nodes` or `login`.
        value: the other image.

    Raises:
        NoLiteralError: where no file has it as a text, with what was found.
    """
    part, field = PLACES[whose]
    for path in paths:
        if path.suffix in SUFFIXES:
            raise NoLiteralError(f"{path}: not Python; write {field} of {part} there by hand")
        tree = ast.parse(path.read_bytes())
        for environment in _calls(tree, "EnvironmentSpec"):
            if not _is_text(_value(tree, environment, "name"), name):
                continue
            inner = _value(tree, environment, part)
            found = _value(tree, inner, field) if isinstance(inner, ast.Call) else None
            if isinstance(found, ast.Constant) and isinstance(found.value, str):
                return path, _replaced(path, found, value)
            line = environment.lineno if found is None else found.lineno
            raise NoLiteralError(
                f'{path}:{line}: {part}.{field} is not a text there; write {field}="ami-..." into '
                f"{part}=... of {name}, and try again"
            )
    raise NoLiteralError(
        f"{name}: no EnvironmentSpec(name={name!r}, ...) stands in "
        f"{', '.join(map(str, paths)) or 'any file'}; write the id by hand"
    )


def _replaced(path: Path, found: ast.Constant, value: str) -> bytes:
    """Return a file with another text in the place of one, and every other byte as it is."""
    if found.end_lineno != found.lineno:
        raise NoLiteralError(f"{path}:{found.lineno}: that text has several lines; write it in one")
    lines = path.read_bytes().splitlines(keepends=True)
    old = lines[found.lineno - 1]
    new = f'"{value}"'.encode()
    lines[found.lineno - 1] = old[: found.col_offset] + new + old[found.end_col_offset :]
    return b"".join(lines)


def _calls(tree: ast.Module, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == name
    ]


def _value(tree: ast.Module, call: ast.Call, field: str) -> ast.expr | None:
    """Return what a keyword is given; a name of the module stands for its one assignment."""
    given = next((each.value for each in call.keywords if each.arg == field), None)
    if not isinstance(given, ast.Name):
        return given
    assigned = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and [getattr(target, "id", None) for target in node.targets] == [given.id]
    ]
    return assigned[0] if len(assigned) == 1 else given


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text
