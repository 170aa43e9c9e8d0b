"""A shell that pages are typed into, and the comparison of what it prints with the page."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.docs.pages import ROOT, Page, Step

MASKS: Final = tuple(
    (re.compile(pattern, re.MULTILINE), shown)
    for pattern, shown in (
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\b(\d+ min )?\d+(\.\d+)? (s|billed node-minutes)(?= |$|,|;)", r"N \3"),
        (r"\d+\.\d(?= │$)", "N"),  # the table of the time of each step
        (r"\b(cr|fs|vpc|subnet|sg|eni|rtb|ami|lt|i|key)-[0-9a-f]{8,}\b", r"\1-ID"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
        (r"-[0-9a-f]{8,}\b", "-ID"),
        (r"-\d{12}\b", "-TIME"),
        (r"\b\d{12}\b", "ACCOUNT"),
        (r"\baccept-[0-9a-f]{6}\b", "accept-RUN"),
        (r"\b\d+ rules\b", "N rules"),  # docs/rules.md has the number, and a test of its own
        (r"\d{4}-\d\d-\d\d(T| )\d\d:\d\d(:\d\d)?(\.\d+)?([+-]\d\d:?\d\d|Z)?", "TIME"),
        (r"(?<=AWS_SESSION_TOKEN=)\S+", "TOKEN"),
        (r"[─━]+|[┌┬┐┏┳┓├┼┤┡╇┩└┴┘]", ""),
        (r"(?<= )[▏▎▍▌▋▊▉█]+", ""),
    )
)
"""What differs from one run to the next: times, ports, ids; and rules of tables, whose width
follows from those."""
LEFT_OUT: Final = "..."
ALIKE: Final = 0.5
BASH: Final = shutil.which("bash") or "/bin/bash"
END: Final = "--- end of block:"


def masked(text: str) -> str:
    """Return a text without what differs from one run to the next."""
    for pattern, shown in MASKS:
        text = pattern.sub(shown, text)
    return text


def same(expected: str, printed: str) -> bool:
    """Return whether a page shows what was printed, whatever blanks and line breaks are there.

    doctest's own comparison wants a blank on each side of what is left out, also of nothing.
    """
    first, *others = (" ".join(part.split()) for part in masked(expected).split(LEFT_OUT))
    text = " ".join(masked(printed).split())
    if not others:
        return text == first
    if not text.startswith(first) or not text.endswith(others[-1]):
        return False
    place = len(first)
    for part in others[:-1]:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return place <= len(text) - len(others[-1])


def refreshed(expected: str, printed: str) -> str:
    """Return what a page is to show now: the printed lines that stand for those it showed.

    A page that leaves nothing out shows everything. Of another one each line is replaced by the
    printed line that is most like it, in the order of the page.
    """
    lines = [line.rstrip() for line in printed.splitlines()]
    shown = [line for line in expected.splitlines() if line.strip() != LEFT_OUT]
    if shown == expected.splitlines():
        return "".join(f"{line}\n" for line in lines)
    found, place = [], 0
    for line in shown:
        likeness = [SequenceMatcher(None, line, other).ratio() for other in lines[place:]] or [0.0]
        if (best := max(likeness)) < ALIKE:
            continue
        left_out = likeness.index(best)
        found += [*([LEFT_OUT] if left_out else []), lines[place + left_out]]
        place += left_out + 1
    found += [LEFT_OUT] if place < len(lines) else []
    return "".join(f"{line}\n" for line in found)


class WrongPageError(AssertionError):
    """A page says something else than what happens; the message has both."""


class Reader:
    """Somebody who follows a page in a folder, with as many terminals as it asks for.

    Args:
        folder: where the terminals begin.
        settings: environment variables on top of a small set.
        before: shell commands that make each terminal ready.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, before: str = ""
    ) -> None:
        self._folder = folder
        self._before = before
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self._settings = {
            **{n: os.environ[n] for n in ("HOME", "TMPDIR", "LANG") if n in os.environ},
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            **(settings or {}),
        }
        self._terminals: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for terminal in self._terminals.values():
            for pipe in (terminal.stdin, terminal.stdout):
                if pipe is not None:
                    pipe.close()
            os.killpg(terminal.pid, signal.SIGTERM)
            terminal.wait()

    def follow(self, page: Page, *, refresh: bool = False) -> str:
        """Do what a page says, and return the page with what is printed now.

        Raises:
            WrongPageError: where something else happens, but for outputs where `refresh` is set.
        """
        pieces, place = [], 0
        for step in page.steps():
            printed, wrong = self._do(page, step)
            output = step.output
            if wrong and not refresh:
                raise WrongPageError(wrong)
            sys.stderr.write(wrong)
            if output is None:
                continue
            pieces += [
                page.text[place : output.start],
                output.text if same(output.text, printed) else refreshed(output.text, printed),
            ]
            place = output.end
        return "".join([*pieces, page.text[place:]])

    def type(self, words: str) -> tuple[str, int]:
        """Type something into the first terminal; return what it prints, and its exit status."""
        return self._typed(self._terminal("1"), words, "")

    def _do(self, page: Page, step: Step) -> tuple[str, str]:
        """Do one step; return what it prints, and what is wrong with the page."""
        block, output = step.block, step.output
        if block.file:
            file = self._folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
            return "", ""
        terminal = self._terminal(block.comments.get("terminal", "1"))
        stays = "stays up" in block.comments and output is not None
        last = masked(output.text.splitlines()[-1]) if stays and output is not None else ""
        printed, status = self._typed(terminal, block.text, last)
        if status != step.status:
            words = f"{page.name}:{block.line}: exit code {status}, not {step.status}"
            return printed, f"{words}\n{block.text}\n{printed}"
        if output is not None and not same(output.text, printed):
            return printed, f"{page.name}:{output.line}: it prints\n{printed}"
        return printed, ""

    def _terminal(self, name: str) -> subprocess.Popen[str]:
        if name not in self._terminals:
            self._terminals[name] = subprocess.Popen(
                [BASH, "--noprofile", "--norc"],
                cwd=self._folder,
                env=self._settings,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
            self._typed(self._terminals[name], self._before, "")
        return self._terminals[name]

    def _typed(self, terminal: subprocess.Popen[str], words: str, last: str) -> tuple[str, int]:
        """Type a block, and return what it prints until it ends, or until its last line."""
        if terminal.stdin is None or terminal.stdout is None:
            raise WrongPageError("no pipe to the shell")
        # In braces the shell reads the whole block first: no program takes the rest as its input.
        # The trap sees a command that fails before the last one.
        typed = f"failed=0; trap 'failed=$?' ERR\n{{\n{words or ':'}\n}} < /dev/null"
        terminal.stdin.write(f'{typed}\nprintf "\\n{END} %s\\n" $failed\n')
        terminal.stdin.flush()
        lines: list[str] = []
        for line in terminal.stdout:
            if line.startswith(END):
                return "".join(lines)[:-1], int(line.split()[-1])
            lines.append(line)
            if last and same(last, line):
                return "".join(lines), 0
        raise WrongPageError(f"the shell ended:\n{''.join(lines)}")
