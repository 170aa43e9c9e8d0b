"""Environment variables that a shell script gives to what it starts.

Read without running anything: exports, prefixes of commands, options of srun, mpirun and container
runtimes, and lines that go into files from which environments are made. Branches are not followed:
a variable that is set in any of them counts, unless it is unset further down.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ultracluster.model.shell_words import command_ends, commands, joined, split

NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
ASSIGNMENT: Final = re.compile(rf"({NAME})=(.*)", re.DOTALL)
DIRECTIVE: Final = re.compile(r"^#\s*(?:SBATCH|PBS|\$|BSUB)\s.*?(?:--export|-v)[= ](\S+)")
REFERENCE: Final = re.compile(rf"\$(?:({NAME})|\{{({NAME})(?::?[-=]([^{{}}]*))?\}})")
HEREDOC: Final = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
ENVIRONMENT_FILE: Final = re.compile(
    r"(?:nccl\.conf|/etc/environment|/etc/profile|\.bashrc|\.bash_profile|\.profile|\.env\b)"
)
"""Files whose lines become environment: NCCL's own, the system's, the user's."""

FABRIC_TOOL: Final = re.compile(r"(?:.*/)?fi_[a-z_]+")
"""Programs of libfabric itself, such as fi_pingpong: no plugin of NCCL is asked."""

RUNTIMES: Final = frozenset({"docker", "podman", "nerdctl", "finch"})
MPI: Final = frozenset({"mpirun", "mpiexec", "orterun", "mpiexec.hydra", "prun"})
LONGEST_VALUE: Final = 128 * 1024
"""Bytes of one variable that Linux hands to a program (MAX_ARG_STRLEN of linux/binfmts.h)."""
MOST_FILLED: Final = 2 * 2**20
"""Bytes of all variables together, by execve(2) a quarter of the stack's 8 MiB."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One variable of an environment, where it is written."""

    name: str
    value: str | None
    """None where it is chosen only when the script runs."""
    line: int
    lasting: bool = False
    """Whether it is written into a file from which later environments are made."""


def filled(text: str, known: Mapping[str, str | None]) -> str | None:
    """Return a text with the values of variables in it, None where one is not known."""
    unknown = False

    def put(match: re.Match[str]) -> str:
        nonlocal unknown
        found = known.get(match[1] or match[2], match[3])
        unknown = unknown or found is None
        return found or ""

    # Variables that hold each other double with every line: the length is known before.
    named = [known.get(match[1] or match[2]) or "" for match in REFERENCE.finditer(text)]
    if sum(map(len, named)) > LONGEST_VALUE:
        return None
    whole = REFERENCE.sub(put, text)
    return None if unknown or "$" in whole else whole


@dataclass
class Values:
    """What is known of variables."""

    known: dict[str, str | None] = field(default_factory=dict)
    filled: int = 0

    def value(self, text: str) -> str | None:
        """Return a text with their values in it, None where one is unknown or all are too long."""
        if "$" not in text:
            return text
        if self.filled > MOST_FILLED:
            return None
        found = filled(text, self.known)
        self.filled += len(found or "")
        return found


@dataclass
class _Reader(Values):
    exported: set[str] = field(default_factory=set)
    pending: dict[str, Assignment] = field(default_factory=dict)
    found: list[Assignment] = field(default_factory=list)
    all_exported: bool = False
    unset_at: dict[str, int] = field(default_factory=dict)
    """How much was found when a variable was last unset."""

    def kept(self) -> list[Assignment]:
        """Return what was found and is not unset further down."""
        least = self.unset_at
        return [item for at, item in enumerate(self.found) if at >= least.get(item.name, 0)]

    def set(self, name: str, text: str, line: int, *, exported: bool) -> None:
        assignment = Assignment(name, self.value(text), line)
        self.known[name] = assignment.value
        if exported or self.all_exported or name in self.exported:
            self.exported.add(name)
            self.found.append(assignment)
        else:
            self.pending[name] = assignment

    def export(self, name: str) -> None:
        self.exported.add(name)
        if name in self.pending:
            self.found.append(self.pending.pop(name))

    def unset(self, names: Sequence[str]) -> None:
        for name in names:
            self.known.pop(name, None)
            self.exported.discard(name)
            self.pending.pop(name, None)
            self.unset_at[name] = len(self.found)

    def listed(self, text: str, line: int) -> None:
        """Read `ALL,A=b,C=d`, as srun --export has it."""
        for part in text.split(","):
            self.given(part, line)

    def given(self, text: str, line: int) -> bool:
        if match := ASSIGNMENT.fullmatch(text):
            self.found.append(Assignment(match[1], self.value(match[2]), line))
        return match is not None


def assignments(script: str, first_line: int = 1) -> list[Assignment]:
    """Return what a script puts into environments, in the order in which it is written."""
    reader = _Reader()
    _Script(script.splitlines(), first_line, reader).read()
    return reader.kept()


def file_assignments(text: str, first_line: int = 1) -> Iterator[Assignment]:
    """Yield the lines `NAME=VALUE` of a file of variables, such as /etc/nccl.conf."""
    for number, line in enumerate(text.splitlines(), first_line):
        if match := ASSIGNMENT.fullmatch(line.strip().removeprefix("export ").strip()):
            yield Assignment(match[1], match[2].strip().strip("\"'"), number, lasting=True)


@dataclass
class _Script:
    """A script, read line by line."""

    lines: Sequence[str]
    first_line: int
    reader: _Reader

    def __post_init__(self) -> None:
        self._places = defaultdict[str, list[int]](list)
        for number, line in enumerate(self.lines):
            self._places[line.strip()].append(number)
        # What a command is given is read as a script of its own, which ends where that text does.
        self._limits = [len(self.lines)]

    def read(self) -> None:
        ends = command_ends(self.lines)
        at = 0
        while at < len(self.lines):
            if at == self._limits[-1]:
                self._limits.pop()
                at += 1
                continue
            line = self.lines[at]
            if match := DIRECTIVE.match(line):
                self.reader.listed(match[1].strip("\"'"), self.first_line + at)
            at = at + 1 if line.lstrip().startswith("#") else self._line(at, ends[at])

    def _line(self, at: int, end: int) -> int:
        """Read a command line, and return where the script goes on."""
        whole = joined(self.lines[at : end + 1]) if end < self._limits[-1] else None
        if whole is None or (words := split(whole)) is None:
            # A quote that nobody closes: only its first line is lost.
            return at + 1
        after = self._heredoc(whole, end + 1)
        for command in commands(words):
            _command(command, self.first_line + at, self.reader)
        return after

    def _heredoc(self, line: str, at: int) -> int:
        """Read the text that a command is given as variables, or note where it ends."""
        heredoc = HEREDOC.search(line)
        places = self._places.get(heredoc[2], []) if heredoc else []
        nearest = bisect_left(places, at)
        if nearest == len(places) or places[nearest] >= self._limits[-1]:
            return at
        end = places[nearest]
        if not ENVIRONMENT_FILE.search(line):
            self._limits.append(end)
            return at
        body = "\n".join(self.lines[at:end])
        self.reader.found += file_assignments(body, self.first_line + at)
        return end + 1


def _command(words: list[str], line: int, reader: _Reader) -> None:
    count = next((n for n, word in enumerate(words) if not ASSIGNMENT.fullmatch(word)), len(words))
    if any(FABRIC_TOOL.fullmatch(word) for word in words[count:]):
        return
    for word in words[:count]:
        name, _, value = word.partition("=")
        if count < len(words):
            reader.found.append(Assignment(name, reader.value(value), line))
        else:
            reader.set(name, value, line, exported=False)
    if count < len(words):
        program = words[count].rsplit("/", 1)[-1]
        BUILTINS.get(program, _launched)(program, words[count + 1 :], line, reader)


def _exported(program: str, words: list[str], line: int, reader: _Reader) -> None:
    if program != "export" and "-x" not in words:
        return
    for word in words:
        if match := ASSIGNMENT.fullmatch(word):
            reader.set(match[1], match[2], line, exported=True)
        elif not word.startswith("-"):
            reader.export(word)


def _setenv(_program: str, words: list[str], line: int, reader: _Reader) -> None:
    if len(words) > 1:
        reader.set(words[0], words[1], line, exported=True)


def _set(_program: str, words: list[str], _line: int, reader: _Reader) -> None:
    if "allexport" in words:
        reader.all_exported = "+o" not in words
    for word in words:
        if re.fullmatch(r"[-+][a-z]*a[a-z]*", word):
            reader.all_exported = word.startswith("-")


def _written(_program: str, words: list[str], line: int, reader: _Reader) -> None:
    if any(ENVIRONMENT_FILE.search(word) for word in words):
        for word in words:
            reader.found += [
                Assignment(item.name, reader.value(item.value or ""), line, lasting=True)
                for item in file_assignments(word.replace("\\n", "\n"))
            ]


def _env(_program: str, words: list[str], line: int, reader: _Reader) -> None:
    for index, word in enumerate(words):
        if not (word.startswith("-") or word in {"env", "sudo"} or reader.given(word, line)):
            _command(words[index:], line, reader)
            return


def _launched(program: str, words: list[str], line: int, reader: _Reader) -> None:
    """Read what launchers are told to put into the environment of what they start."""
    launchers = MPI | RUNTIMES | {"srun", "sbatch"}
    for index, word in enumerate(words):
        after = words[index + 1] if index + 1 < len(words) else ""
        option, equals, value = word.partition("=")
        if option in {"--export", "--env"} or (option == "-e" and program in RUNTIMES):
            reader.listed(value if equals else after, line)
        elif word == "-x":
            reader.given(after, line)
        elif word in {"-genv", "-env"}:
            reader.given(f"{after}={''.join(words[index + 2 : index + 3])}", line)
        elif program not in launchers and word.rsplit("/", 1)[-1] in launchers:
            # A launcher behind another program: `time srun ...`, `numactl mpirun ...`.
            _launched(word.rsplit("/", 1)[-1], words[index + 1 :], line, reader)
            return


BUILTINS: Final[Mapping[str, Callable[[str, list[str], int, _Reader], None]]] = {
    "export": _exported,
    "declare": _exported,
    "typeset": _exported,
    "unset": lambda _program, words, _line, reader: reader.unset(words),
    "setenv": _setenv,
    "set": _set,
    "echo": _written,
    "printf": _written,
    "env": _env,
    "sudo": _env,
}
