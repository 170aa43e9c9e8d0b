"""The review as one HTML file that needs nothing else: no network, no script, no font.

Jinja2 writes it, because it escapes whatever a template author put into a name.
"""

from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from ultracluster.audit.report import SEVERITIES
from ultracluster.review.changes.change import Danger
from ultracluster.review.drawing.style import DARK, FONT, LIGHT, SHAPES
from ultracluster.review.page import contents
from ultracluster.review.report import Review

PARTS: Final = (
    "page.html",
    "path.html",
    "changes.html",
    "findings.html",
    "access.html",
    "numbers.html",
)


@cache
def _environment() -> Environment:
    here = files("ultracluster.review.page").joinpath("parts")
    return Environment(
        loader=DictLoader({name: here.joinpath(name).read_text() for name in PARTS}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    text = files("ultracluster.review.page").joinpath("parts", "page.css").read_text()
    themes = (
        f":root{{color-scheme:light dark;{LIGHT}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{DARK}}}}}"
    )
    return f"{themes}body{{font-family:{FONT}}}{SHAPES}{text}"


def write(review: Review) -> str:
    """Return the page."""
    page = _environment().get_template("page.html")
    return page.render(
        review=review,
        style=Markup(_style()),  # noqa: S704  (our own)
        svgs=[[Markup(part) for part in each.svgs] for each in review.figures],  # noqa: S704  (escaped as it is drawn)
        groups=contents.by_danger(review.changes),
        holders=contents.by_holder(review.access.statements),
        matrices=contents.matrices(review),
        severities=SEVERITIES,
        dangers=list(Danger),
        verdict=contents.verdict(review),
        place=contents.place,
        sentence=contents.sentence,
        ways=contents.ways(review.access.escalations),
        shown=contents.shown,
        names_of=contents.names_of,
        values=contents.values,
        pieces=contents.pieces,
        slug=contents.slug,
        assumed=contents.assumed,
    )
