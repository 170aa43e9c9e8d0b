"""Tables that fit the terminal: prose is wrapped, names and commands are never cut or broken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Final, Literal

from rich.box import HEAVY_HEAD
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
    boxed: bool = True

    def add(self, *cells: str | Text) -> None:
        """Add a row; a text is shown as it is, without markup."""
        self.rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich prints."""
        widths = self._widths(options.max_width)
        if widths is None:
            yield from self._lines(options.max_width)
            return
        table = Table(
            title=self.title,
            title_justify="left",
            box=HEAVY_HEAD if self.boxed else None,
            show_header=any(column.title for column in self.columns),
            pad_edge=self.boxed,
        )
        for column, width in zip(self.columns, widths, strict=True):
            table.add_column(
                column.title,
                justify="right" if column.kind == "number" else "left",
                no_wrap=column.kind != "prose",
                width=width,
            )
        for row in self.rows:
            table.add_row(*map(_text, row))
        yield table

    def _widths(self, most: int) -> list[int] | None:
        """Return the width of each column; None if no table fits without a broken name or word."""
        widest, least = list[int](), list[int]()
        for index, column in enumerate(self.columns):
            cells = [column.title, *(_text(row[index]).plain for row in self.rows)]
            lines = [line for cell in cells for line in cell.splitlines()]
            widest.append(max(map(cell_len, lines), default=0))
            word = max(cell_len(word) for cell in cells for word in cell.split() or [""])
            folds = column.kind == "prose"
            least.append(max(word, min(widest[-1], LEAST_PROSE)) if folds else widest[-1])
        wanted = max(sum(widest) - sum(least), 1)
        spare = min(most - 1 - BORDERS * len(least) - sum(least), wanted)
        if spare < 0:
            return None
        both = zip(least, widest, strict=True)
        return [low + (high - low) * spare // wanted for low, high in both]

    def _lines(self, width: int) -> Iterable[Text]:
        """Yield a few lines for each row; the terminal wraps a name that is wider than it."""
        if self.title:
            yield Text(self.title, style="italic")
        for row in self.rows:
            first, *others = map(_text, row)
            yield Text(first.plain, style=first.style or "bold", overflow="ignore")
            for column, cell in zip(self.columns[1:], others, strict=True):
                if not cell:
                    continue
                title = Text(f"  {column.title}: " if column.title else "  ")
                if column.kind == "prose":
                    yield _folded(title.append_text(cell), width)
                elif title.cell_len + cell.cell_len > width:
                    yield title
                    yield Text(cell.plain, cell.style, no_wrap=True, overflow="ignore")
                else:
                    yield title.append_text(cell)


def _folded(text: Text, width: int) -> Text:
    """Wrap a text between words only; rich would break or cut a word that is too wide."""
    lines = (
        "\n".join(wrap(line, width, break_long_words=False, break_on_hyphens=False))
        for line in text.plain.splitlines()
    )
    return Text("\n".join(lines), no_wrap=True, overflow="ignore")


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)
