"""How many small mistakes in the code the tests notice, without the golden templates.

    python benchmarks/mutants.py [--sample 200] [--seed 15] [--room spec]

Each mutant is one change at one place, drawn by the seed: the rooms take turns, a function of the
room is drawn, and a place in it. A condition is negated, `and` and `or` change places, a statement
is dropped, or a constant is another one. The tests of the room run on a copy of the repository,
those that name the changed function first, until one fails. A run that lasts much longer than the
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
from pathlib import Path
from typing import Any

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
SLOW = "real_cli or was_reviewed or failed_creation or outlives_a_rehearsal or where_it_was_killed"


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


def mutant(source: str, chance: random.Random) -> tuple[str, str, str] | None:
    """Return a source with one change, the function that it is in, and what was changed."""
    tree = ast.parse(source)
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
    return ast.unparse(ast.fix_missing_locations(tree)), function.name, f"line {line}: {what}"


def drawn(room: str, chance: random.Random) -> tuple[Path, str, str, str]:
    """Return a file of a room, its changed source, the function, and what was changed."""
    files = sorted(path for pattern in ROOMS[room][0] for path in ROOT.glob(pattern))
    sizes = [path.stat().st_size for path in files]
    while True:
        (path,) = chance.choices(files, sizes)
        made = mutant(path.read_text(), chance)
        if made is not None:
            return path.relative_to(ROOT), *made


def aimed(room: str, module: str, function: str) -> list[str]:
    """Return the room's test files, those first that name the function or its module."""
    found = [
        test
        for pattern in ROOMS[room][1]
        for place in sorted(ROOT.glob(pattern))
        for test in (sorted(place.glob("test_*.py")) if place.is_dir() else [place])
        if test.name not in NOT_AIMED
    ]
    texts = {test: test.read_text() for test in found}
    found.sort(key=lambda test: (function not in texts[test]) + (module not in texts[test]))
    return [str(test.relative_to(ROOT)) for test in found]


def fails(copy: Path, tests: list[str], limit: float | None = None) -> bool:
    """Return whether a test fails, or lasts longer than a limit in seconds."""
    command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", f"not ({SLOW})", *tests]
    there = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=copy,
            env=there,
            capture_output=True,
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def limit(copy: Path, room: str) -> float:
    """Return how long the tests of a room may last, by how long they do.

    Raises:
        SystemExit: where they fail without any change.
    """
    before = time.monotonic()
    if fails(copy, aimed(room, "", "")):
        raise SystemExit(f"{room}: its tests fail without any change; mend them first.")
    return 60 + 4 * (time.monotonic() - before)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sample", type=int, default=200)
    asked.add_argument("--seed", type=int, default=int(time.time()))
    asked.add_argument("--room", choices=ROOMS, action="append")
    given = asked.parse_args()
    rooms, dead = given.room or list(ROOMS), 0
    chance = random.Random(given.seed)  # noqa: S311 - a sample, no secret
    limits: dict[str, float] = {}
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "repository"
        unwanted = shutil.ignore_patterns(".git", ".*_cache", ".hypothesis", "build", "cdk.out")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted)
        for number in range(given.sample):
            room = rooms[number % len(rooms)]
            limits[room] = limits.get(room) or limit(copy, room)
            path, source, function, what = drawn(room, chance)
            was = (copy / path).read_text()
            (copy / path).write_text(source)
            dies = fails(copy, aimed(room, path.stem, function), limits[room])
            (copy / path).write_text(was)
            dead += dies
            word = "killed  " if dies else "SURVIVED"
            print(f"{number + 1} {word} {path} {function}, {what}", flush=True)
    print(f"{dead} of {given.sample} were killed.")


if __name__ == "__main__":
    main()
