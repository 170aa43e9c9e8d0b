"""How many small mistakes in the code the tests notice, without the golden templates.

    python -m benchmarks.mutants [--sample 200] [--seed 15] [--room spec]

Each mutant is one change at one place, drawn by the seed: the rooms take turns, a function of the
room is drawn, and a place in it. A condition is negated, `and` and `or` change places, a statement
is dropped, or a constant is another one. The tests of the room run on a copy of the repository
until one fails: first those that ran the changed statement, the fastest first; then, since what a
test keeps for others is noted for it alone, all of them. Tests that need much longer than for the
code as it is count as killed. Survivors are printed to be judged; docs/testing.md has the reasons
of those that are left.

Results are lines of `build/mutants/SEED/results.jsonl`. A run that was stopped goes on there, with
the code and the tests as they were when it began. Several run at a time, each with a `--room`, or
with a `--part`: of 0 3, 1 3 and 2 3 each takes every third; the first has to begin.
"""

import argparse
import ast
import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.tests_of_a_room import NOT_COLLECTED, NOTED, Outcome, Tests

ROOT = Path(__file__).parents[1]
# Code of a room and the tests that answer for it. What needs virtual machines is not in it.
ROOMS = {
    "constructs": (
        ("constructs_lib/*.py", "stacks/*.py"),
        ("tests/constructs", "tests/stacks", "tests/gates/test_stateful_ids.py"),
    ),
    "spec": (
        ("ultracluster/spec/*.py",),
        ("tests/spec", "tests/cost", "tests/train/test_engines.py", "tests/train/test_recipes.py"),
    ),
    "rules": (("ultracluster/rules/**/*.py",), ("tests/rules", "tests/audit")),
    "rehearsal": (
        ("ultracluster/rehearse/*.py", "ultracluster/rehearse/campaign/*.py"),
        (
            "tests/rehearse/test_*verdicts.py",
            "tests/rehearse/test_campaign.py",
            "tests/rehearse/test_paid_capacity.py",
            "tests/rehearse/test_rehearsal.py",
            "tests/rehearse/test_requests.py",
            "tests/rehearse/test_substitutes.py",
        ),
    ),
    "planner": (("ultracluster/planner/**/*.py",), ("tests/planner",)),
}
# Other people's apps and drawn environments take minutes, and repeat what the others assert.
NOT_AIMED = ("test_foreign_apps.py", "test_random_environments.py")
DROPPED = (ast.Expr, ast.AugAssign, ast.Raise, ast.Return, ast.Continue, ast.Break)
# The real CDK CLI, and every construct once more, take minutes.
SLOW = (
    "tests/rehearse/test_rehearsal.py::test_rehearsal_of_dev_by_the_real_cli",
    "tests/rehearse/test_rehearsal.py::test_what_the_cli_synthesizes_is_what_was_reviewed",
    "tests/rehearse/test_rehearsal.py::test_a_failed_creation_is_told_with_its_reason",
    "tests/rehearse/test_rehearsal.py::test_nothing_outlives_a_rehearsal_that_is_stopped",
    "tests/constructs/test_in_other_apps.py::test_a_construct_is_the_same_under_any_feature_flags",
    "tests/constructs/test_in_other_apps.py::test_no_tag_of_an_app_replaces_anything",
)

UNWANTED: Final = (".git", ".*_cache", "__pycache__", ".hypothesis", "build", "cdk.out")
INSTALLED: Final = (".venv", ".venv-torchtitan", "node_modules")
"""What a copy has as links."""


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

    room: str
    path: str
    function: str
    lines: tuple[int, int]
    """First and last of the statement that is changed."""
    column: int
    what: str
    source: str

    @property
    def name(self) -> str:
        """Return what stands in the results."""
        return f"{self.path} {self.function}, line {self.lines[0]}.{self.column}: {self.what}"


def mutant(room: str, path: Path, tree: ast.Module, chance: random.Random) -> Mutant | None:
    """Return a file with one change, drawn; None where its function has nothing to change."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    function = chance.choice(functions) if functions else None
    found = list(places(function)) if function is not None else []
    if function is None or not found:
        return None
    what, node, field, instead = chance.choice(found)
    lines, column = _statement(function, node), getattr(node, "col_offset", 0)
    if field:
        setattr(node, field, instead)
    else:
        tree = _Change(node, instead).visit(tree)
    source = ast.unparse(ast.fix_missing_locations(tree))
    return Mutant(room, str(path), function.name, lines, column, what, source)


def _statement(function: ast.FunctionDef, node: ast.AST) -> tuple[int, int]:
    """Return where the innermost statement around a node begins, and where the node ends."""
    around = [
        each.lineno
        for each in ast.walk(function)
        if isinstance(each, ast.stmt) and any(inner is node for inner in ast.walk(each))
    ]
    end = max((getattr(inner, "end_lineno", 0) for inner in ast.walk(node)), default=0)
    return max(around), max(end, *around)


def drawn(room: str, source: Path, seed: int) -> Iterator[Mutant]:
    """Yield the mutants of a room, each once; larger files are drawn more often."""
    chance = random.Random(f"{seed} {room}")  # noqa: S311 - a sample, no secret
    files = sorted(path for pattern in ROOMS[room][0] for path in source.glob(pattern))
    sizes = [path.stat().st_size for path in files]
    seen = set()
    while True:
        (path,) = chance.choices(files, sizes)
        made = mutant(room, path.relative_to(source), ast.parse(path.read_text()), chance)
        if made is not None and made.source not in seen:
            seen.add(made.source)
            yield made


def tests_of(room: str, source: Path, folder: Path, part: int) -> Tests:
    """Return the tests of a room, in a copy of the source that is for its mistakes."""
    copy = folder / (NOTED if part == 0 else f"{NOTED}-{part}")
    code, patterns = ROOMS[room]
    if not copy.exists():
        shutil.copytree(source, copy, symlinks=True)
    # A run that was stopped has left a mistake there.
    for path in (path for pattern in code for path in source.glob(pattern)):
        shutil.copy2(path, copy / path.relative_to(source))
    found = (place for pattern in patterns for place in sorted(source.glob(pattern)))
    files = [
        str(test.relative_to(source))
        for place in found
        for test in (sorted(place.glob("test_*.py")) if place.is_dir() else [place])
        if test.name not in NOT_AIMED
    ]
    tests = Tests(folder, copy, files, [pattern.partition("*")[0] + "*" for pattern in code])
    tests.deselected = SLOW
    tests.note()
    return tests


def outcome(mutant: Mutant, tests: Tests) -> Outcome:
    """Return how the tests end on a mutant."""
    place = tests.copy / mutant.path
    was, times = place.read_text(), place.stat()
    place.write_text(mutant.source)
    try:
        first, last = mutant.lines
        aimed = tests.reaching(Path(mutant.path), range(first, last + 1))
        found = tests.run(aimed) if aimed else None
        # Tests that are called otherwise are still among all of them.
        sure = found is not None and found.killed and found.status != NOT_COLLECTED
        return found if found is not None and sure else tests.run(tests.all())
    finally:
        place.write_text(was)
        os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))


def snapshot(folder: Path) -> Path:
    """Return the repository as it was when the run began."""
    source = folder / "source"
    if not source.exists():
        ignored = shutil.ignore_patterns(*UNWANTED, *INSTALLED)
        shutil.copytree(ROOT, source, symlinks=True, ignore=ignored)
        for name in INSTALLED:
            (source / name).symlink_to(ROOT / name)
    return source


def sample(size: int, rooms: list[str], source: Path, seed: int) -> Iterator[Mutant]:
    """Yield the share of some rooms; each of all rooms has one like the others."""
    of = {room: drawn(room, source, seed) for room in ROOMS}
    for number in range(size):
        room = list(ROOMS)[number % len(ROOMS)]
        if room in rooms:
            yield next(of[room])


def main() -> None:
    """Try what is drawn and was not tried, and say what all results together are."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sample", type=int, default=200)
    asked.add_argument("--seed", type=int, default=int(time.time()))
    asked.add_argument("--room", choices=ROOMS, action="append")
    asked.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("N", "OF"))
    given = asked.parse_args()
    folder = ROOT / "build/mutants" / str(given.seed)
    print(f"seed {given.seed}", flush=True)
    source, results = snapshot(folder), folder / "results.jsonl"
    wanted = list(sample(given.sample, given.room or list(ROOMS), source, given.seed))
    rooms: dict[str, Tests] = {}
    part, of = given.part
    for each in wanted[part::of]:
        if each.name in tried(results):
            continue
        if each.room not in rooms:
            rooms[each.room] = tests_of(each.room, source, folder / each.room, part)
        began = time.monotonic()
        found = outcome(each, rooms[each.room])
        said = {"mutant": each.name, "room": each.room, "killed": found.killed, **asdict(found)}
        with results.open("a") as lines:
            lines.write(json.dumps(said | {"seconds": round(time.monotonic() - began, 1)}) + "\n")
        print("killed  " if found.killed else "SURVIVED", each.name, found.by, flush=True)
    report([said for name, said in tried(results).items() if name in {m.name for m in wanted}])


def tried(results: Path) -> dict[str, dict[str, Any]]:
    """Return what was found of each mutant so far."""
    lines = results.read_text().splitlines() if results.exists() else []
    return {said["mutant"]: said for said in map(json.loads, lines)}


def report(found: list[dict[str, Any]]) -> None:
    """Print survivors, and how many of each room were killed."""
    for said in found:
        if not said["killed"]:
            print("SURVIVED", said["mutant"])
    for room in ROOMS:
        of = [said["killed"] for said in found if said["room"] == room]
        print(f"{room}: {sum(of)} of {len(of)}")
    print(f"{sum(said['killed'] for said in found)} of {len(found)} were killed.")


if __name__ == "__main__":
    main()
