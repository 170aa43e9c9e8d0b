"""The one literal of an environment's file that names an image, found and replaced."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ultracluster.exit_status import CommandError
from ultracluster.spec.data_files import SUFFIXES

PLACES: Final = {"nodes": ("nodes", "image"), "login": ("slurm", "login_image")}
"""Field of the environment, and field of its part, by whose image it is."""


class NoLiteralError(CommandError):
    """A file in which the image is no text of its own."""


@dataclass(frozen=True)
class Literal:
    """A text in a source file, on one line of it."""

    path: Path
    line: int
    """Counted from 1."""
    start: int
    end: int
    """Bytes of the line."""

    def replaced(self, value: str) -> bytes:
        """Return the file with another text in its place, and every other byte as it is."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        old = lines[self.line - 1]
        lines[self.line - 1] = old[: self.start] + f'"{value}"'.encode() + old[self.end :]
        return b"".join(lines)


def located(paths: list[Path], name: str, whose: str) -> Literal:
    """Return where the image of an environment stands.

    Args:
        paths: the files that may define the environment.
        name: the environment's name.
        whose: `nodes` or `login`.

    Raises:
        NoLiteralError: where no file has it as a text, with what was found.
    """
    part, field = PLACES[whose]
    for path in paths:
        if path.suffix in SUFFIXES:
            raise NoLiteralError(f"{path}: it is no Python; write {field} of {part} there by hand")
        tree = ast.parse(path.read_bytes())
        for environment in _calls(tree, "EnvironmentSpec"):
            if not _is_text(_value(tree, environment, "name"), name):
                continue
            inner = _value(tree, environment, part)
            found = _value(tree, inner, field) if isinstance(inner, ast.Call) else None
            if isinstance(found, ast.Constant) and isinstance(found.value, str):
                return _literal(path, found)
            line = environment.lineno if found is None else found.lineno
            raise NoLiteralError(
                f'{path}:{line}: {part}.{field} is not a text there; write {field}="ami-..." into '
                f"{part}=... of {name}, and try again"
            )
    raise NoLiteralError(
        f"{name}: no EnvironmentSpec(name={name!r}, ...) stands in "
        f"{', '.join(map(str, paths)) or 'any file'}; write the id by hand"
    )


def _literal(path: Path, found: ast.Constant) -> Literal:
    if found.end_lineno != found.lineno or found.end_col_offset is None:
        raise NoLiteralError(f"{path}:{found.lineno}: that text has several lines; write it in one")
    return Literal(path, found.lineno, found.col_offset, found.end_col_offset)


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
