"""Exit codes, and the errors that are shown as one line instead of a stack trace."""

import errno
from pathlib import Path
from typing import Final

from ultracluster.problem import EnvironmentFileError, Problem, SpecError
from ultracluster.untrusted_file import EffortError, UnreadableError

ALL_WELL: Final = 0
SOME_FAIL: Final = 1
COULD_NOT_RUN: Final = 2
UNEXPECTED: Final = 3
INTERRUPTED: Final = 130

MEANINGS: Final = {
    ALL_WELL: "nothing is wrong",
    SOME_FAIL: "problems were found (a faulty environment, a finding, a failed job)",
    COULD_NOT_RUN: "the command could not run (a wrong option, an unreadable file, no credentials)",
    UNEXPECTED: "a defect of this program",
    INTERRUPTED: "interrupted by Ctrl-C",
}
"""The one table of exit codes; `--help` and docs/command-line.md show it."""


class CommandError(Exception):
    """A command cannot be carried out; the user reads the message."""


class UsageError(CommandError):
    """The arguments of a command are wrong."""


def explained(error: BaseException) -> tuple[list[str], int] | None:
    """Return an error as lines for a user, with the exit code; None for an unexpected one."""
    if isinstance(error, BaseExceptionGroup):
        parts = [explained(each) for each in error.exceptions]
        if None in parts:
            return None
        known = [part for part in parts if part is not None]
        return [line for lines, _ in known for line in lines], max(code for _, code in known)
    if isinstance(error, SpecError):
        return [_with_source(problem) for problem in error.problems], SOME_FAIL
    if isinstance(error, EnvironmentFileError | CommandError | UnreadableError | EffortError):
        return [line for line in str(error).splitlines() if line.strip()], COULD_NOT_RUN
    line = _of_the_machine(error)
    return None if line is None else ([line], COULD_NOT_RUN)


def _of_the_machine(error: BaseException) -> str | None:
    """Return which resource of the machine is missing; None for other errors."""
    if isinstance(error, MemoryError):
        return "this machine has not enough memory for it; use a larger one, or give fewer files"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return "the current folder was deleted; change into another one"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the output cannot be written: {error.strerror}; free space, or write elsewhere"
    return None


def _with_source(problem: Problem) -> str:
    if problem.source is None:
        return str(problem)
    here = f"{Path.cwd()}/"
    return f"{problem} ({problem.source.removeprefix(here)})"
