"""What a user did that cannot be, said so that the next attempt works."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that cannot be.

    Attributes:
        field: Dotted name of the setting, as it is written in a recipe or after `--set`.
        got: What was given.
        why: Why that cannot be.
        fix: What to write instead.
    """

    field: str
    got: object
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.field} = {self.got!r}: {self.why}; {self.fix}"


class UserError(Exception):
    """A mistake that its maker can mend: printed as text, never as a stack trace.

    Args:
        text: What to print. It may quote files and arguments, so what a terminal would obey
            (control characters, changes of direction) is written as Python writes it.
    """

    def __init__(self, text: str) -> None:
        shown = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
        super().__init__("".join(shown))

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> "UserError | None":
        """Return one error that lists every problem, or None where there is none."""
        lines = [str(problem) for problem in problems]
        return cls("\n".join(lines)) if lines else None


class NodeError(UserError):
    """A fault of nodes or file systems, not of what was written: another try may go well."""


def first_line(error: BaseException) -> str:
    """Return an error in one line, which of a user's is all that it says."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    words = lines[0] if lines else "no further words"
    return words if isinstance(error, UserError) else f"{type(error).__name__}: {words}"


def failed(rank: int, error: BaseException) -> tuple[int, BaseException]:
    """Return which rank failed, and why: exceptions of torch's checkpoints hold those of others.

    Args:
        rank: This one.
        error: What it has caught.
    """
    failures: dict[int, Any] = getattr(error, "failures", None) or {rank: (error,)}
    which, (inner, *_) = next(iter(failures.items()))
    return which, inner


def divisors(number: int) -> list[int]:
    """Return every divisor of a positive number, in rising order."""
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})


def choices(values: Iterable[int]) -> str:
    """Return `write 1, 2 or 4` for the numbers 1, 2 and 4."""
    words = [str(value) for value in values]
    if len(words) == 1:
        return f"write {words[0]}"
    return f"write {', '.join(words[:-1])} or {words[-1]}"
