"""The environment that the last stage of a Dockerfile leaves to its containers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ultracluster.model.shell_variables import ASSIGNMENT, Assignment, filled
from ultracluster.model.shell_variables import assignments as shell_assignments

INSTRUCTION: Final = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
PAIR: Final = re.compile(r"""([A-Za-z_]\w*)=((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])*)""")


@dataclass
class _Stage:
    """One stage, with everything that it inherits."""

    variables: list[Assignment] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)


def assignments(text: str) -> Sequence[Assignment]:
    """Return the variables of the last stage and of what it is built on."""
    stages: dict[str, _Stage] = {}
    outside: dict[str, str] = {}
    stage = _Stage()
    count = 0
    for word, rest, line in _instructions(text):
        if word == "FROM":
            parts = [part for part in rest.split() if not part.startswith("--")]
            base = stages.get(parts[0].lower()) if parts else None
            stage = _Stage(list(base.variables), dict(base.known)) if base else _Stage()
            # An argument before the first FROM is known to FROM alone, until a stage names it.
            name = parts[2].lower() if len(parts) > 2 else str(count)  # noqa: PLR2004 - FROM x AS y
            stages[name] = stages[str(count)] = stage
            count += 1
        elif word == "ARG":
            name, equals, value = rest.strip().partition("=")
            found = value.strip("\"'") if equals else outside.get(name)
            if found is not None:
                (stage.known if count else outside)[name] = found
        elif word == "ENV":
            for assignment in _pairs(rest, line, stage):
                _replace(stage, assignment)
        elif word == "RUN":
            # What a command exports ends with it; what it writes into a file of variables stays.
            for assignment in shell_assignments(rest, line):
                if assignment.lasting:
                    _replace(stage, assignment)
    return stage.variables


def _replace(stage: _Stage, assignment: Assignment) -> None:
    stage.variables = [a for a in stage.variables if a.name != assignment.name]
    stage.variables.append(assignment)
    if assignment.value is not None:
        stage.known[assignment.name] = assignment.value


def _instructions(text: str) -> Iterator[tuple[str, str, int]]:
    waiting, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        # A comment between continued lines is left out, as docker does.
        if line.lstrip().startswith("#"):
            waiting += "\n" if waiting else ""
            continue
        first = first if waiting else number
        if line.rstrip().endswith("\\"):
            waiting += line.rstrip()[:-1] + "\n"
            continue
        match = INSTRUCTION.fullmatch(waiting + line)
        waiting = ""
        if match:
            yield match[1].upper(), match[2], first


def _pairs(rest: str, line: int, stage: _Stage) -> Iterator[Assignment]:
    if not ASSIGNMENT.match(rest.split(None, 1)[0] if rest.split() else ""):
        # ENV NAME the rest of the line
        name, _, value = rest.strip().partition(" ")
        yield Assignment(name, filled(value.strip(), stage.known), line)
        return
    for match in PAIR.finditer(rest):
        at = line + rest.count("\n", 0, match.start())
        plain = re.sub(r"\\(.)", r"\1", match[2])
        if plain[:1] in {'"', "'"} and plain[-1:] == plain[:1]:
            plain = plain[1:-1]
        yield Assignment(match[1], filled(plain, stage.known), at)
