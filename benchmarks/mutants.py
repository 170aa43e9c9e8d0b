"""How many small mistakes in the code the tests notice, without the golden templates.

    python benchmarks/mutants.py [--sample 200] [--seed 15] [--room spec]

Each mutant is one change at one place, drawn by the seed: the rooms take turns, a function of the
room is drawn, and a place in it. A condition is negated, `and` and `or` change places, a statement
is dropped, or a constant is another one. The tests of the room run on a copy of the repository
until one fails: first those that ran the changed line, as a run under coverage noted; then, since
a fixture's lines are noted for one test alone, all of them. A run that lasts much longer than the
tests of the code as it is counts as killed. Survivors are printed to be judged; docs/testing.md has
the reasons of those that are left.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coverage import CoverageData

ROOT = Path(__file__).parents[1]
# Code of a room and the tests that answer for it. What needs virtual machines is not in it.
ROOMS = {
    "constructs": (("constructs_lib/*.py", "stacks/*.py"), ("tests/constructs", "tests/stacks")),
    "spec": (("ultracluster/spec/*.py",), ("tests/spec", "tests/cost")),
    "rules": (("ultracluster/rules/**/*.py",), ("tests/rules",)),
    "rehearsal": (
        ("ultracluster/rehearse/*.py", "ultracluster/rehearse/campaign/*.py"),
        (
            "tests/rehearse/test_*verdicts.py",
            "tests/rehearse/test_campaign.py",
            "tests/rehearse/test_rehearsal.py",
        ),
    ),
    "planner": (("ultracluster/planner/**/*.py",), ("tests/planner",)),
}
# Other people's apps and drawn environments take minutes, and repeat what the others assert.
NOT_AIMED = ("test_in_other_apps.py", "test_foreign_apps.py", "test_random_environments.py")
DROPPED = (ast.Expr, ast.AugAssign, ast.Raise, ast.Return, ast.Continue, ast.Break)
# The real CDK CLI takes minutes for each of these.
SLOW = (
    "test_rehearsal_of_dev_by_the_real_cli",
    "test_what_the_cli_synthesizes_is_what_was_reviewed",
    "test_a_failed_creation_is_told_with_its_reason",
    "test_nothing_outlives_a_rehearsal_that_is_stopped",
)

UNWANTED: Final = (".git", ".*_cache", ".hypothesis", "build", "cdk.out")
INSTALLED: Final = (".venv", ".venv-torchtitan", "node_modules")
"""What the copy has as links."""
NO_TEST: Final = 5
"""pytest's exit status where the selection leaves no test."""


def places(function: ast.AST) -> Iterator[tuple[str, ast.AST, str, Any]]:
    """Yield what is changed, and the node, its field and what stands there instead."""
    annotations = {id(node) for node in _unread(function)}
    for node in ast.walk(function):
        if id(node) in annotations:
            continue
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            yield "negated", node, "test", ast.UnaryOp(ast.Not(), node.test)
        if isinstance(node, ast.BoolOp):
            yield "and/or", node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()
        if isinstance(node, DROPPED):
            yield "dropped", node, "", ast.Pass()
        if isinstance(node, ast.Constant) and (other := _other(node.value)) is not None:
            yield f"{node.value!r} -> {other!r}", node, "value", other


def _unread(function: ast.AST) -> Iterator[ast.AST]:
    """Yield annotations, docstrings, and the words of messages: no test should repeat those."""
    for node in ast.walk(function):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                yield from ast.walk(getattr(node, field))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield from (node, node.value)
        if isinstance(node, ast.JoinedStr):
            yield from node.values


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}X" if isinstance(value, str) and value and " " not in value else None


class _Change(ast.NodeTransformer):
    """Puts another node where a statement stood."""

    def __init__(self, node: ast.AST, instead: ast.AST) -> None:
        self.node, self.instead = node, instead

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if node is self.node:
            return ast.copy_location(self.instead, node)
        return super().generic_visit(node)


@dataclass(frozen=True)
class Mutant:
    """A file with one mistake."""

    path: Path
    source: str
    function: str
    line: int
    what: str


def mutant(path: Path, chance: random.Random) -> Mutant | None:
    """Return a file with one change, drawn; None where its function has nothing to change."""
    tree = ast.parse((ROOT / path).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    function = chance.choice(functions) if functions else None
    found = list(places(function)) if function is not None else []
    if function is None or not found:
        return None
    what, node, field, instead = chance.choice(found)
    line = getattr(node, "lineno", function.lineno)
    if field:
        setattr(node, field, instead)
    else:
        tree = _Change(node, instead).visit(tree)
    source = ast.unparse(ast.fix_missing_locations(tree))
    return Mutant(path, source, function.name, line, what)


def drawn(room: str, chance: random.Random) -> Mutant:
    """Return a mutant of a room, whose larger files are drawn more often."""
    files = sorted(path for pattern in ROOMS[room][0] for path in ROOT.glob(pattern))
    sizes = [path.stat().st_size for path in files]
    while True:
        (path,) = chance.choices(files, sizes)
        made = mutant(path.relative_to(ROOT), chance)
        if made is not None:
            return made


class Room:
    """The tests of one room in a copy of the repository, and which lines each of them runs.

    Raises:
        SystemExit: where they fail without any change.
    """

    def __init__(self, room: str, copy: Path) -> None:
        self.copy, self.slow = copy, False
        self.files = [
            str(test.relative_to(ROOT))
            for pattern in ROOMS[room][1]
            for place in sorted(ROOT.glob(pattern))
            for test in (sorted(place.glob("test_*.py")) if place.is_dir() else [place])
            if test.name not in NOT_AIMED
        ]
        self.noted = copy / f"{room}.coverage"
        settings = copy / f"{room}.coveragerc"
        code = ",".join(pattern.partition("*")[0] + "*" for pattern in ROOMS[room][0])
        settings.write_text(
            f"[run]\ndynamic_context = test_function\ninclude = {code}\ndata_file = {self.noted}\n"
        )
        before = time.monotonic()
        if self._fails(self.files, ["-m", "coverage", "run", f"--rcfile={settings}"]):
            raise SystemExit(f"{room}: its tests fail without any change; mend them first.")
        self.limit = 60 + 2 * (time.monotonic() - before)

    def kills(self, mutant: Mutant) -> bool:
        """Return whether a test fails on a mutant, or lasts too long (`slow` is true then)."""
        self.slow = False
        place = self.copy / mutant.path
        was = place.read_text()
        place.write_text(mutant.source)
        try:
            aimed = self._aimed(mutant)
            return bool(aimed and self._fails(aimed)) or self._fails(self.files)
        finally:
            place.write_text(was)

    def _aimed(self, mutant: Mutant) -> list[str]:
        """Return the tests that run a mutant's line, at most a few of each file."""
        data = CoverageData(str(self.noted))
        data.read()
        noted = data.contexts_by_lineno(str(self.copy / mutant.path))
        tests: dict[str, list[str]] = {}
        for context in noted.get(mutant.line, []):
            module, _, test = context.rpartition(".")
            file = module.replace(".", "/") + ".py"
            if file in self.files:
                tests.setdefault(file, []).append(f"{file}::{test}")
        return [test for names in tests.values() for test in sorted(names)[:12]]

    def _fails(self, tests: list[str], started_by: list[str] | None = None) -> bool:
        """Return whether a test fails, or lasts longer than the limit."""
        command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        command += [f"--deselect=tests/rehearse/test_rehearsal.py::{name}" for name in SLOW]
        there = {**os.environ, "PYTHONPATH": str(self.copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                [sys.executable, *(started_by or []), *command, *tests],
                cwd=self.copy,
                env=there,
                capture_output=True,
                check=False,
                timeout=None if started_by else self.limit,
            )
        except subprocess.TimeoutExpired:
            self.slow = True
            return True
        return done.returncode not in (0, NO_TEST)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sample", type=int, default=200)
    asked.add_argument("--seed", type=int, default=int(time.time()))
    asked.add_argument("--room", choices=ROOMS, action="append")
    given = asked.parse_args()
    names, dead = given.room or list(ROOMS), 0
    chance = random.Random(given.seed)  # noqa: S311 - a sample, no secret
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "repository"
        unwanted = shutil.ignore_patterns(*UNWANTED, *INSTALLED)
        shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted)
        for name in INSTALLED:
            (copy / name).symlink_to(ROOT / name)
        rooms = {name: Room(name, copy) for name in names}
        for number in range(given.sample):
            name = names[number % len(names)]
            made = drawn(name, chance)
            dies = rooms[name].kills(made)
            dead += dies
            word = "too long" if rooms[name].slow else "killed  " if dies else "SURVIVED"
            place = f"{made.path} {made.function}, line {made.line}: {made.what}"
            print(f"{number + 1} {word} {place}", flush=True)
    print(f"{dead} of {given.sample} were killed.")


if __name__ == "__main__":
    main()
