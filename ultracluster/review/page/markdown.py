"""The review in Markdown, for a pull request."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ultracluster.review.page import contents
from ultracluster.review.report import Review

MOST_ROWS: Final = 200
"""Rows of a table; a pull request's text ends at 65,536 characters (GitHub, 2026)."""


def write(review: Review) -> str:
    """Return the review."""
    return "\n".join(_lines(review)) + "\n"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, also within a table."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>|~#])", r"\\\1", one_line)


def code(text: str) -> str:
    """Return a text as code, also within a table."""
    one_line = " ".join(text.split()).replace("|", "¦")
    fence = "``" if "`" in one_line else "`"
    space = " " if fence == "``" else ""
    return f"{fence}{space}{one_line}{space}{fence}" if one_line else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table."""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows[:MOST_ROWS]:
        yield f"| {' | '.join(row)} |"
    yield ""
    if len(rows) > MOST_ROWS:
        yield f"And {len(rows) - MOST_ROWS} more; the HTML report has all."
        yield ""


def _lines(review: Review) -> Iterator[str]:
    yield f"# Review of {escaped(review.title)}"
    yield ""
    yield f"{escaped(review.headline)}."
    yield ""
    yield f"**{escaped(contents.verdict(review))}**"
    yield ""
    for note in review.notes:
        yield f"Note: {escaped(note)}"
        yield ""
    yield from _changes(review)
    yield from _pictures(review)
    yield from _findings(review)
    yield from _access(review)
    yield from _security(review)
    yield from _numbers(review)


def _changes(review: Review) -> Iterator[str]:
    if not review.changes:
        return
    yield "## Changes"
    yield ""
    rows = [
        [
            f"**{change.worst.value}**",
            escaped(contents.sentence(change.what))
            + (f" Instead: {escaped(change.instead)}" if change.instead else ""),
            f"{code(change.place)} {code(change.property)}".strip(),
            " → ".join(code(value) for value in contents.values(change) or ()),
        ]
        for change in review.changes
    ]
    yield from table(("danger", "what happens", "where", "before → after"), rows)


def _pictures(review: Review) -> Iterator[str]:
    yield "## Picture"
    yield ""
    for figure in review.figures:
        yield "```mermaid"
        yield figure.mermaid
        yield "```"
        yield ""


def _findings(review: Review) -> Iterator[str]:
    yield "## Findings and exceptions"
    yield ""
    rows = (
        []
        if review.packs is None
        else [
            [f.severity, f"{code(f.rule)} {escaped(f.what)}", code(f.construct)]
            for f in review.packs.findings
        ]
    )
    rows += [
        [
            review.audit.severity(finding),
            f"{code(finding.rule)} {escaped(finding.message)}. Instead: {escaped(finding.fix)}",
            code(contents.place(finding.place)),
        ]
        for finding in review.findings
    ]
    rules = f"{len(review.audit.rules)} fabric rules"
    if review.packs is not None:
        rules += "".join(f", {escaped(name)}" for name in review.packs.conclusions)
    yield f"{rules}: {len(rows) or 'nothing'} open."
    yield ""
    if rows:
        yield from table(("severity", "what", "where"), rows)
    if review.packs is not None and review.packs.excused:
        excused = [
            [code(e.rule), escaped(e.reason), code(e.construct)] for e in review.packs.excused
        ]
        yield from table(("exception", "reason", "where"), excused)


def _access(review: Review) -> Iterator[str]:
    yield "## Who may do what"
    yield ""
    for each in contents.ways(review.access.escalations):
        for way in each.shown:
            says = escaped(contents.sentence(way.says))
            yield f"- {code(way.who)} **{way.severity}**: {says} ({escaped(way.name)})"
        if each.others:
            names = escaped(contents.names_of(each.others))
            yield f"- {code(each.who)}, {len(each.others)} more ways: {names}"
    if review.access.escalations:
        yield ""
    for holder in contents.by_holder(review.access.statements):
        kind = {
            "identity": "what it may do",
            "trust": "who may take it",
            "resource": "who may use it",
        }[holder.kind]
        yield f"### {code(holder.name)}: {kind}"
        yield ""
        for statement in holder.statements:
            marks = "".join(
                f" **{m.concern}**: {escaped(m.says)}." for m in contents.shown(statement.warnings)
            )
            yield f"- {escaped(contents.sentence(statement.sentence))}{marks}"
        yield ""
    if not review.access.statements:
        yield "No policy in these templates."
        yield ""


def _security(review: Review) -> Iterator[str]:
    found = contents.matrices(review)
    if not found:
        return
    yield "## Security groups"
    yield ""
    for each in found:
        rows = [
            [
                escaped(source),
                escaped(target),
                escaped(cell.words() or "nothing")
                + (
                    f" (one side alone admits {escaped(', '.join(map(str, cell.one_side)))})"
                    if cell.one_side
                    else ""
                ),
            ]
            for source, target, cell in each.pairs()
        ]
        yield from table(("from", "to", "what passes"), rows)
        for line in each.matrix.unknown:
            yield f"- not known: {escaped(line)}"


def _numbers(review: Review) -> Iterator[str]:
    yield "## Numbers"
    yield ""
    for group in review.numbers:
        yield f"### {group.title}"
        yield ""
        rows = [[escaped(r.what), escaped(r.value), escaped(r.note)] for r in group.rows]
        yield from table(("what", "how much", "of what"), rows)
    yield "### Templates against CloudFormation's limits"
    yield ""
    rows = [
        [
            code(size.name),
            f"{size.bytes:,} of 1,048,576",
            f"{size.resources} of 500",
            escaped("; ".join(size.near)),
        ]
        for size in review.sizes
    ]
    yield from table(("stack", "bytes", "resources", "near a limit"), rows)
