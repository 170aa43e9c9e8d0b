"""A plan as one HTML file with its pictures in it: nothing is fetched, both themes are served."""

from collections.abc import Iterator
from html import escape

from ultracluster.plan.report import Cell, Column, Report, Section
from ultracluster.style_sheet import style_sheet


def page(report: Report) -> str:
    facts = "".join(f"<dt>{escape(n)}</dt><dd>{escape(fact)}</dd>" for n, fact in report.facts)
    parts = [
        _card(report.picture()),
        f"<dl class=facts>{facts}</dl>",
        *(f"<p>{escape(note)}</p>" for note in report.notes),
        *(part for section in report.sections for part in _section(section)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>\n{style_sheet()}</style></head><body>"
        f"<header><h1>{escape(report.title)}</h1></header><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _section(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.title)}</h2>"
    if section.picture is not None:
        yield _card(section.picture())
    if section.columns:
        yield _table(section)
    yield from (f"<p class=muted>{escape(line)}</p>" for line in section.lines)


def _table(section: Section) -> str:
    """Return the rows without their bars: the picture above them has these."""
    shown = [(i, column) for i, column in enumerate(section.columns) if column.kind != "bar"]

    def cell(tag: str, column: Column, content: str) -> str:
        return f"<{tag}{' class=n' * (column.kind == 'number')}>{content}</{tag}>"

    def named(column: Column, value: Cell) -> str:
        # On a narrow screen the head of the table is not shown.
        return f"<span class=narrow>{escape(column.title)}: </span>{escape(str(value))}"

    head = "".join(cell("th", column, escape(column.title)) for _, column in shown)
    rows = ("".join(cell("td", c, named(c, row[i])) for i, c in shown) for row in section.rows)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return _card(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _card(body: str) -> str:
    return f"<div class=card>{body}</div>"
