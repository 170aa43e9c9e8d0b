"""Reads the environment variables of the last stage of a Dockerfile."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ultracluster.model.shell_variables import ASSIGNMENT, Assignment, Values
from ultracluster.model.shell_variables import assignments as shell_assignments

INSTRUCTION: Final = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
PAIR: Final = re.compile(
    r"""(?<!\w)([A-Za-z_]\w*)=((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])*)"""
)


@dataclass
class _Stage:
    """One stage as it is written: what it is built on, and its instructions."""

    base: "_Stage | None" = None
    instructions: list[tuple[str, str, int]] = field(default_factory=list)


@dataclass
class _Environment(Values):
    """The variables of a stage, with everything that it inherits."""

    outside: dict[str, str] = field(default_factory=dict)
    """Arguments before the first stage: known to FROM alone, until a stage names them."""
    variables: dict[str, Assignment] = field(default_factory=dict)

    def put(self, assignment: Assignment) -> None:
        self.variables.pop(assignment.name, None)
        self.variables[assignment.name] = assignment
        if assignment.value is not None:
            self.known[assignment.name] = assignment.value

    def read(self, word: str, rest: str, line: int) -> None:
        if word == "ARG":
            name, value = _argument(rest)
            found = self.outside.get(name) if value is None else value
            if found is not None:
                self.known[name] = found
        elif word == "ENV":
            for name, text, at in _pairs(rest, line):
                self.put(Assignment(name, self.value(text), at))
        elif word == "RUN":
            # What a command exports ends with it; what it writes into a file of variables stays.
            for assignment in shell_assignments(rest, line):
                if assignment.lasting:
                    self.put(assignment)


def assignments(text: str) -> Sequence[Assignment]:
    """Return the variables of the last stage and of what it is built on."""
    stages: dict[str, _Stage] = {}
    outside: dict[str, str] = {}
    stage, count = _Stage(), 0
    for word, rest, line in _instructions(text):
        if word == "FROM":
            parts = [part for part in rest.split() if not part.startswith("--")]
            stage = _Stage(stages.get(parts[0].lower()) if parts else None)
            name = parts[2].lower() if len(parts) > 2 else str(count)  # noqa: PLR2004 - FROM x AS y
            stages[name] = stages[str(count)] = stage
            count += 1
        elif word == "ARG" and not count:
            name, value = _argument(rest)
            outside |= {} if value is None else {name: value}
        else:
            stage.instructions.append((word, rest, line))
    found = _Environment(outside=outside)
    for each in _built_on(stage):
        for instruction in each.instructions:
            found.read(*instruction)
    return list(found.variables.values())


def _built_on(stage: _Stage) -> Iterable[_Stage]:
    """Return a stage after all those that it is built on."""
    found: list[_Stage] = []
    at: _Stage | None = stage
    while at is not None:
        found.append(at)
        at = at.base
    return reversed(found)


def _argument(rest: str) -> tuple[str, str | None]:
    name, equals, value = rest.strip().partition("=")
    return name, value.strip("\"'") if equals else None


def _instructions(text: str) -> Iterator[tuple[str, str, int]]:
    waiting: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        # A comment between continued lines is left out, as docker does.
        if line.lstrip().startswith("#"):
            waiting += [""] if waiting else []
            continue
        first = first if waiting else number
        ended = line.rstrip()
        if ended.endswith("\\"):
            waiting.append(ended[:-1])
            continue
        match = INSTRUCTION.fullmatch("\n".join([*waiting, line]))
        waiting = []
        if match:
            yield match[1].upper(), match[2], first


def _pairs(rest: str, line: int) -> Iterator[tuple[str, str, int]]:
    """Yield name, text and line of each variable of an ENV."""
    if not ASSIGNMENT.match(rest.split(None, 1)[0] if rest.split() else ""):
        # ENV NAME the rest of the line
        name, _, value = rest.strip().partition(" ")
        yield name, value.strip(), line
        return
    begun = 0
    for match in PAIR.finditer(rest):
        line += rest.count("\n", begun, match.start())
        begun = match.start()
        plain = re.sub(r"\\(.)", r"\1", match[2])
        if plain[:1] in {'"', "'"} and plain[-1:] == plain[:1]:
            plain = plain[1:-1]
        yield match[1], plain, line
