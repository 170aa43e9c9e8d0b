"""A plan as one HTML file with its pictures in it: nothing is fetched, both themes are served."""

from collections.abc import Iterator
from html import escape

from ultracluster.plan.report import Column, Report, Section
from ultracluster.style_sheet import style_sheet


def page(report: Report) -> str:
    facts = (Column("", "name"), Column(""))
    parts = [
        f"<h1>{escape(report.title)}</h1>",
        _card(report.picture()),
        _table(Section("", facts, report.facts)),
        *(f"<p>{escape(note)}</p>" for note in report.notes),
        *(part for section in report.sections for part in _section(section)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>\n{style_sheet()}</style></head><body><main>\n"
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

    def cells(values: tuple[str | float, ...], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' * (column.kind == 'number')}>{escape(str(values[i]))}</{tag}>"
            for i, column in shown
        )

    titles = tuple(column.title for column in section.columns)
    head = f"<tr>{cells(titles, 'th')}</tr>" if any(titles) else ""
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in section.rows)
    return _card(f"<table>{head}{body}</table>")


def _card(body: str) -> str:
    return f"<div class=card>{body}</div>"
