"""Makes output safe: control characters in text of other people become visible signs.

A name in a file may hold an escape sequence that blanks a line of a terminal, or a control that
turns the direction of a text, so that a reader sees another name. Each such character becomes a
sign that is seen. `clean_output` does so with all that is printed, and `write_output` in
`command_line` with all that is written into files.
"""

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Control characters (C0) except tab and line feed, DEL, C1; marks, embeddings and isolates of
direction (Unicode Standard Annex 9, 2.1 to 2.6), line and paragraph separators, halves of
characters; and what has no width (Default_Ignorable_Code_Point), by which two names look alike."""
_COMMAND: Final = re.compile(r"^([^\S\n]*):(?=:)|#(?=#\[)", re.MULTILINE)
"""Text that the runner of GitHub Actions takes for a command: `::` at the beginning of a line, and
`##[` anywhere (actions/runner, src/Runner.Common/ActionCommand.cs, read 2026-11-28)."""
_PICTURES: Final = {**{code: chr(0x2400 + code) for code in range(0x20)}, 0x7F: "\u2421"}
"""Signs of C0 and of DEL."""
_LIKE: Final = {":": "\u2236", "#": "\uff03"}
"""Signs that look like those of a command."""


def visible(text: str) -> str:
    """Return a text with a visible sign in place of each control character."""
    return UNSAFE.sub(lambda match: _PICTURES.get(ord(match[0]), "\ufffd"), text)


def printed(text: str) -> str:
    """Return a visible text in which GitHub Actions finds no command."""
    return _COMMAND.sub(lambda found: f"{found[1] or ''}{_LIKE[found[0][-1]]}", visible(text))


WIDTH_OF_NONE: Final = 80
"""Columns where COLUMNS is 0, as some schedulers and editors set it."""


class _Clean:
    """A stream that makes text visible before it writes it to another stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printed(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def clean_output() -> Iterator[None]:
    """Make all text on standard output and standard error visible."""
    before, errors = (sys.stdout, sys.stderr), getattr(sys.stdout, "errors", None)
    if isinstance(before[0], io.TextIOWrapper):  # a terminal may lack signs, such as arrows
        before[0].reconfigure(errors="replace")
    with Path(os.devnull).open("w") as nowhere:  # for one that a shell has closed
        sys.stdout, sys.stderr = (cast("TextIO", _Clean(stream or nowhere)) for stream in before)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            if isinstance(before[0], io.TextIOWrapper):
                with suppress(OSError):  # nobody reads there any more
                    before[0].reconfigure(errors=errors)


def console(**options: Any) -> "Console":
    """Return a rich console whose text is visible; all consoles are created here.

    Args:
        options: those of rich's Console.
    """
    from rich.console import Console, ConsoleOptions  # noqa: PLC0415  (a third of `--version`)
    from rich.segment import Segment  # noqa: PLC0415

    class Clean(Console):
        def render(
            self, renderable: Any, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                text = segment.text if segment.control else printed(segment.text)
                yield segment if text == segment.text else Segment(text, segment.style)

        def print(self, *objects: Any, **how: Any) -> None:
            # What is wider than a terminal is left to it: cut, it could not be copied.
            super().print(*objects, **{"crop": False, **how})

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the program, with the exit code of a finding

        @property
        def file(self) -> Any:
            # What is styled has escape sequences of its own, and is clean already.
            found = super().file
            return found._stream if isinstance(found, _Clean) else found  # noqa: SLF001

        @file.setter
        def file(self, new: Any) -> None:
            self._file = new

    made = Clean(**options)
    made.width = made.width or WIDTH_OF_NONE
    return made
