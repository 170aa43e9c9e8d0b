"""Tables that fit the terminal: prose is wrapped, names and commands are never cut."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

LEAST_PROSE: Final = 24
"""Columns below which folded prose is no longer readable."""
BORDERS: Final = 3
"""Columns that a cell's border and padding take."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    kind: Literal["name", "number", "prose", "bar"] = "name"
    """`prose` may be wrapped, `number` is right-aligned, `bar` is a share from 0 to 1."""
    spare: bool = False
    """Whether it is left out of narrow tables, because it follows from other columns."""


@dataclass
class Rows:
    """Rows for a console: as a table if it fits, otherwise as a few lines per row."""

    columns: Sequence[Column]
    rows: list[Sequence[str | Text]] = field(default_factory=list)
    title: str | None = None

    def add(self, *cells: str | Text) -> None:
        """Add a row; a text is shown as it is, without markup."""
        self.rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich prints."""
        if self._narrowest() > options.max_width:
            yield from self._lines(options.max_width)
            return
        table = Table(title=self.title, title_justify="left")
        for column in self.columns:
            table.add_column(
                column.title,
                justify="right" if column.kind == "number" else "left",
                no_wrap=column.kind != "prose",
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*map(_text, row))
        yield table

    def _narrowest(self) -> int:
        """Return the smallest width of a table without cut cells."""
        total = 1
        for index, column in enumerate(self.columns):
            cells = [column.title, *(_text(row[index]).plain for row in self.rows)]
            widest = max(cell_len(line) for cell in cells for line in cell.splitlines() or [""])
            total += BORDERS + (min(widest, LEAST_PROSE) if column.kind == "prose" else widest)
        return total

    def _lines(self, width: int) -> Iterable[Text]:
        """Yield a few lines for each row; a name is broken only where it alone is too wide."""
        if self.title:
            yield Text(self.title, style="italic")
        for row in self.rows:
            first, *others = map(_text, row)
            yield Text(first.plain, style="bold", overflow="fold")
            for column, cell in zip(self.columns[1:], others, strict=True):
                if not cell.plain:
                    continue
                title = Text(f"  {column.title}: ", overflow="fold")
                if column.kind != "prose" and title.cell_len + cell.cell_len > width:
                    yield title
                    yield cell
                else:
                    yield title.append_text(cell)


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell, overflow="fold")
