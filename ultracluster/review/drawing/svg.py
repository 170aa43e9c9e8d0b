"""SVG elements, collected as they are drawn."""

import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Final

from ultracluster.review.drawing.text import fitted

SMALL: Final = 12.0
NORMAL: Final = 13.0
LARGE: Final = 15.0
LINE: Final = 17.0
"""Height of a line of text."""

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
    def group(self, title: str) -> Iterator[None]:
        """Put what is drawn within into a group with a title."""
        self._parts.append(f"<g><title>{text_of(title)}</title>")
        yield
        self._parts.append("</g>")
