"""The lines of a run for machines: one JSON object each, appended to one file.

A file that cannot be written does not end the run: lines wait in memory, and follow in their order
as soon as there is room again. A line is whole or not there: what a crash left of one is removed by
the next start.
"""

import contextlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FILE: Final = "metrics.jsonl"
MOST_WAITING: Final = 64 * 2**20
"""Bytes of lines that wait in memory, the newest; about 200,000 steps."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Record:
    """The file of one run; rank 0 writes it.

    Args:
        folder: Made where it is not there.
        complain: Called with a sentence when lines begin to wait, and when they no longer do.

    Raises:
        OSError: If the file cannot be opened.
    """

    def __init__(self, folder: Path, complain: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.complain = folder / FILE, complain
        self.file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        self.waiting = b""
        self.failed = False
        with contextlib.suppress(OSError):
            os.ftruncate(self.file, self._end_of_lines())

    def _end_of_lines(self) -> int:
        end = os.fstat(self.file).st_size
        for start in range(end, 0, -4096):
            at = max(0, start - 4096)
            found = os.pread(self.file, start - at, at).rfind(b"\n")
            if found >= 0:
                return at + found + 1
        return 0

    def write(self, values: dict[str, Any]) -> None:
        """Append a line, and those that wait before it."""
        self.waiting += json.dumps({"time": now(), **values}).encode() + b"\n"
        try:
            while self.waiting:
                # What is written of a line before the disk is full is followed by its rest.
                self.waiting = self.waiting[os.write(self.file, self.waiting) :]
        except OSError as error:
            self._failed(error)
        else:
            if self.failed:
                self.failed = False
                self.complain(f"{self.path} is written again, with every line that has waited")

    def _failed(self, error: OSError) -> None:
        if not self.failed:
            self.complain(
                f"{self.path} cannot be written ({error.strerror}); training goes on, and its "
                "lines wait in memory until there is room"
            )
        self.failed = True
        if len(self.waiting) > MOST_WAITING:
            # The first of them may be the rest of one: it stays.
            first = self.waiting.index(b"\n") + 1
            cut = self.waiting.index(b"\n", len(self.waiting) - MOST_WAITING // 2) + 1
            self.waiting = self.waiting[:first] + self.waiting[cut:]

    def sync(self) -> None:
        """Return when the lines are on the disk, as far as they can be written at all."""
        with contextlib.suppress(OSError):
            os.fsync(self.file)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.file)
