"""What a command ends with, and which errors are lines for a user instead of a stack trace."""

import errno
from pathlib import Path
from typing import Final

from ultracluster.given_file import EffortError, UnreadableError
from ultracluster.problem import EnvironmentFileError, Problem, SpecError

ALL_WELL: Final = 0
SOME_FAIL: Final = 1
COULD_NOT_RUN: Final = 2
UNEXPECTED: Final = 3
INTERRUPTED: Final = 130

MEANINGS: Final = {
    ALL_WELL: "nothing is wrong",
    SOME_FAIL: "problems were found (a faulty environment, a finding, a failed job)",
    COULD_NOT_RUN: "it could not be done (a wrong option, an unreadable file, no credentials)",
    UNEXPECTED: "a defect of this program",
    INTERRUPTED: "interrupted by Ctrl-C",
}
"""The one table of exit codes; `--help` and docs/command-line.md show it."""


class CommandError(Exception):
    """A command that cannot be carried out; its message is what the user reads."""


class UsageError(CommandError):
    """A command that cannot be carried out as it was written."""


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
    """Return what a machine lacks, or does not allow; None where it is no fault of it."""
    if isinstance(error, MemoryError):
        return "this machine's memory is not enough for it"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return "the folder that this runs in is no longer there; change into another one"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"what it writes has no room: {error.strerror}"
    return None


def _with_source(problem: Problem) -> str:
    if problem.source is None:
        return str(problem)
    here = f"{Path.cwd()}/"
    return f"{problem} ({problem.source.removeprefix(here)})"
