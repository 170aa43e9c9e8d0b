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
    columns = section.columns
    head = "".join(f"<th{_class(column)}>{escape(column.title)}</th>" for column in columns)
    rows = (map(_cell, columns, row) for row in section.rows)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return _card(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _cell(column: Column, value: Cell) -> str:
    if column.kind == "bar":
        return f'<td class=bar><span style="width:{float(value):.1%}"></span></td>'
    return f"<td{_class(column)}>{escape(str(value))}</td>"


def _class(column: Column) -> str:
    return " class=n" if column.kind == "number" else ""


def _card(body: str) -> str:
    return f"<div class=card>{body}</div>"
