"""A plan's report as tables and bars in the terminal, and as one HTML file.

The page has its pictures in it: nothing is fetched, both themes are served.
"""

from importlib.resources import files
from typing import Final

from rich.console import Console
from rich.table import Table

from ultracluster.plan.report import Report, Section
from ultracluster.style_sheet import style_sheet
from ultracluster.tables import Column, Rows

NARROW: Final = 110
"""Columns of a terminal below which spare columns are left out and bars are short."""
BAR, SHORT_BAR = 28, 12
BLOCKS: Final = " ▏▎▍▌▋▊▉"


def show(report: Report, console: Console) -> None:
    facts = Table(title=report.title, show_header=False, title_justify="left")
    for fact in report.facts:
        facts.add_row(*fact)
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
