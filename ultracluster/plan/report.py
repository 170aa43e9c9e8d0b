"""The report of a plan, for the terminal and as one HTML file.

The page has its pictures in it: nothing is fetched, both themes are served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from rich.console import Console

from ultracluster.style_sheet import style_sheet
from ultracluster.tables import Column, Rows

Document = Mapping[str, Any]
Cell = str | float
"""A text; in a column of bars the share of the longest bar, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a title, the same numbers as a picture, and lines to copy from."""

    title: str
    columns: tuple[Column, ...] = ()
    rows: Sequence[tuple[Cell, ...]] = ()
    lines: Sequence[str] = ()
    parts: Sequence[tuple[str, Mapping[str, float]]] = ()
    """Parts of wholes that are drawn beside each other, one bar to each whole."""
    limit: float = 0.0
    """Where a line stands across these bars."""
    picture: Callable[[], str] | None = None
    """As SVG."""


@dataclass(frozen=True, slots=True)
class Report:
    """A plan in words."""

    title: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    notes: Sequence[str]
    days: tuple[float, float, float]
    """The least that is likely, what is planned, the most that is likely."""


def duration(*days: float) -> str:
    """Return a time, or the ends of a range of it, in hours where days would be noughts."""
    unit, each = ("days", 1) if max(days) >= 1 else ("hours", 24)
    return f"{' to '.join(f'{time * each:,.1f}' for time in days)} {unit}"


def counted(number: int, of: str) -> str:
    """Return a number of things, one of which has no plural."""
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def activations(layout: Document) -> str:
    return f"activations {layout['activations']}"


def degrees(layout: Document) -> str:
    """Return how a layout divides the model, but for its partition groups."""
    ways = {
        "tensor_parallel": "{} GPUs to a layer (tensor parallel)",
        "pipeline_stages": "{} stages",
        "chunks_per_stage": "{} chunks each",
        "context_parallel": "{} ranks to a sequence",
        "expert_parallel": "experts over {} GPUs",
    }
    return "".join(f", {words.format(layout[n])}" for n, words in ways.items() if layout[n] > 1)


NARROW: Final = 110
"""Columns of a terminal below which spare columns are left out and bars are short."""
BAR, SHORT_BAR = 28, 12
BLOCKS: Final = " ▏▎▍▌▋▊▉"


def show(report: Report, console: Console) -> None:
    facts = Rows([Column(""), Column("", "prose")], title=report.title)
    for fact in report.facts:
        facts.add(*fact)
    console.print(facts)
    for section in report.sections:
        if section.columns:
            console.print(_table(section, narrow=console.width < NARROW))
        else:
            console.out(section.title, style="italic", highlight=False)
        for line in section.lines:
            console.out(f"- {line}", highlight=False)
    for note in report.notes:
        console.out(f"- {note}", highlight=False)


def _table(section: Section, *, narrow: bool) -> Rows:
    shown = [index for index, column in enumerate(section.columns) if not (narrow and column.spare)]
    table = Rows([section.columns[index] for index in shown], title=section.title)
    width = SHORT_BAR if narrow else BAR
    for row in section.rows:
        table.add(*(_cell(section.columns[index], row[index], width) for index in shown))
    return table


def _cell(column: Column, value: str | float, width: int) -> str:
    """Return a text as it is, and a share as a bar of eighths of a character."""
    if column.kind != "bar":
        return str(value)
    eighths = round(max(0.0, min(1.0, float(value))) * width * 8)
    return ("█" * (eighths // 8) + BLOCKS[eighths % 8]).rstrip()


def page(report: Report) -> str:
    # Imported here: only pages need it.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    templates = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    source = (files("ultracluster.plan") / "page.html.jinja").read_text("utf-8")
    return templates.from_string(source).render(report=report, style=style_sheet()) + "\n"
