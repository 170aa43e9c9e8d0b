"""The style sheet of every page and picture: colours light and dark, tables, the drawing."""

from functools import cache
from importlib.resources import files


@cache
def style_sheet() -> str:
    """Return the style of a page."""
    return _part("colours.css") + _part("picture.css") + _part("page.css")


@cache
def picture_style() -> str:
    """Return the style of a picture that is a file of its own."""
    return _part("colours.css") + _part("picture.css")


def _part(name: str) -> str:
    return files("ultracluster").joinpath("style", name).read_text()
