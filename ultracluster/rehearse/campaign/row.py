"""One line of a campaign's table, and the file that it is kept in."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

BETWEEN: Final = "between calls"


@dataclass(frozen=True)
class Row:
    """One fault, and what came of it."""

    stack: str
    """The stack's id in its stage; `between calls` where the fault is of no resource."""
    logical_id: str
    """The resource; the fault's name where it is of none."""
    kind: str
    """CloudFormation's type."""
    operation: str
    ended: str
    """How it ended: the stack's status, or the exit status of the CLI."""
    retried: str
    """How the repeated operation ended."""
    seconds: float
    problems: tuple[str, ...] = ()
    """What should not be so; empty where all is as it must be."""
    note: str = ""
    node_minutes: float = 0
    """Billed minutes of reserved instances, by the emulated clock."""
    usd: float = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.stack, self.logical_id, self.operation


class Record:
    """The rows of a campaign in a file of JSON lines, so that it can be interrupted.

    The first line says of which templates they are: those of others are not taken over.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._head = json.dumps({"templates": digest})
        self.rows: list[Row] = []
        found = list(self._read())
        # Written anew: the last line of a campaign that was killed may be half a line.
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self._head}\n")
        for row in found:
            self.add(row)

    def _read(self) -> Iterator[Row]:
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        if not lines or lines[0] != self._head:
            return
        for line in lines[1:]:
            try:
                given = json.loads(line)
                yield Row(**{**given, "problems": tuple(given["problems"])})
            except (ValueError, TypeError, KeyError):
                continue

    def add(self, row: Row) -> None:
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(f"{json.dumps(asdict(row))}\n")

    @property
    def done(self) -> set[tuple[str, str, str]]:
        return {row.key for row in self.rows}
