"""SVG elements, collected as they are drawn, and how wide text is."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from html import escape
from typing import Final

from ultracluster.review.tables import table

SMALL: Final = 12.0
NORMAL: Final = 13.0
LARGE: Final = 15.0
LINE: Final = 17.0
"""Height of a line of text."""

ELLIPSIS: Final = "…"
FIRST: Final = 32
WIDTHS: Final[Mapping[str, Sequence[int]]] = table("font_widths")
"""Of each character, in hundredths of the font size."""
WIDE: Final = 100
NARROW: Final = 70
SAFETY: Final = 1.03
"""For renderers that round each character to whole pixels."""
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SIZES: Final = {SMALL: "s", NORMAL: "n", LARGE: "l"}
"""Classes of the style sheet."""


def text_of(value: str) -> str:
    """Return a text as XML has it; what XML cannot hold is shown as a box."""
    return escape(_FORBIDDEN.sub("\u25a1", value), quote=True)


class Canvas:
    """Collects the elements of a picture."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.anchors: dict[Hashable, tuple[float, float]] = {}
        """Where lines between boxes begin and end, by what is there."""

    def body(self) -> str:
        return "\n".join(self._parts)

    def rect(
        self, x: float, y: float, width: float, height: float, style: str, *, radius: float = 4
    ) -> None:
        self._parts.append(
            f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
            f'height="{max(height, 0):.1f}" rx="{radius:g}"/>'
        )

    def path(self, shape: str, style: str, *, arrow: bool = False, both: bool = False) -> None:
        """Draw a line; `arrow` puts a head at its end, `both` one at its beginning as well."""
        heads = ' marker-end="url(#head)"' if arrow or both else ""
        heads += ' marker-start="url(#head)"' if both else ""
        self._parts.append(f'<path class="{style}" d="{shape}"{heads}/>')

    def text(
        self,
        x: float,
        baseline: float,
        words: str,
        room: float,
        *,
        style: str = "",
        size: float = SMALL,
        bold: bool = False,
        anchor: str = "start",
    ) -> None:
        """Write a line; what has no room is cut, and stands in full in its title."""
        shown = fitted(words, room, size, bold=bold)
        if not shown:
            return
        classes = " ".join(filter(None, (_SIZES[size], "b" if bold else "", style)))
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        full = f"<title>{text_of(words)}</title>" if shown != words else ""
        self._parts.append(
            f'<text class="{classes}" x="{x:.1f}" y="{baseline:.1f}"{place}>'
            f"{text_of(shown)}{full}</text>"
        )

    @contextmanager
    def later(self) -> Iterator["Canvas"]:
        """Give what is known only when the rest is drawn, and lies behind it."""
        before, self._parts = self._parts, []
        behind = Canvas()
        yield behind
        self._parts = [*before, *behind._parts, *self._parts]

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Put what is drawn within into a group with a title."""
        self._parts.append(f"<g><title>{text_of(title)}</title>")
        yield
        self._parts.append("</g>")


@lru_cache(maxsize=10_000)
def width(text: str, size: float, *, bold: bool = False) -> float:
    table = WIDTHS["bold" if bold else "regular"]
    total = 0
    for character in text:
        index = ord(character) - FIRST
        if 0 <= index < len(table):
            total += table[index]
        elif unicodedata.combining(character):
            continue
        elif unicodedata.east_asian_width(character) in "WF" or ord(character) > 0x2000:  # noqa: PLR2004
            total += WIDE + 20 * (ord(character) > 0xFFFF)  # noqa: PLR2004  (emoji are wider still)
        else:
            total += NARROW + 10
    return total * size / 100 * SAFETY


def fitted(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """Return a text, or as much of its beginning and end as there is room for."""
    if width(text, size, bold=bold) <= room:
        return text
    # The end of a name often tells it from others: a third of what is kept is the end.
    lengths = range(1, len(text) + 1)
    kept = bisect_right(lengths, room, key=lambda n: width(_cut(text, n), size, bold=bold))
    return _cut(text, kept) if kept else ""


def _cut(text: str, kept: int) -> str:
    end = kept // 3
    return f"{text[: kept - end].rstrip()}{ELLIPSIS}{text[len(text) - end :] if end else ''}"


@lru_cache(maxsize=10_000)
def wrapped(
    text: str, room: float, size: float, *, bold: bool = False, most: int = 3
) -> Sequence[str]:
    """Return a text in lines; a word that is too long is cut, and so is what exceeds the lines."""
    lines: list[str] = []
    words = text.split()
    while words:
        line = words.pop(0)
        while words and width(f"{line} {words[0]}", size, bold=bold) <= room:
            line = f"{line} {words.pop(0)}"
        if len(lines) == most - 1 and words:
            line = " ".join([line, *words])
            words = []
        lines.append(fitted(line, room, size, bold=bold))
    return lines
