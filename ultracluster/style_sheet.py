"""The style sheet of every page and picture: colours light and dark, tables, the drawing."""

from functools import cache
from html import escape
from importlib.resources import files


@cache
def style_sheet() -> str:
    """Return the style of a page."""
    return _part("colours.css") + _part("picture.css") + _part("page.css")


def html_page(title: str, body: str) -> str:
    """Return one HTML file that needs nothing else.

    Args:
        title: Plain text, its heading as well.
        body: HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{style_sheet()}</style></head><body>"
        f"<header><h1>{escape(title)}</h1></header><main>{body}</main></body></html>\n"
    )


@cache
def picture_style() -> str:
    """Return the style of a picture that is a file of its own."""
    return _part("colours.css") + _part("picture.css")


def _part(name: str) -> str:
    return files("ultracluster").joinpath("style", name).read_text("utf-8")
