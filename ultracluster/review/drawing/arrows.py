"""Rows that show what leads where: box, arrow, box."""

from dataclasses import dataclass
from typing import Final

from ultracluster.review.drawing.ink import LINE, SMALL, Ink

ROW: Final = 34.0
FROM: Final = 0.24
ARROW: Final = 0.30


@dataclass(frozen=True)
class Flow:
    """One thing, an arrow with words on it, and another thing."""

    left: str
    words: str
    right: str
    towards_right: bool
    towards_left: bool
    style: str = "store"

    def height(self, width: float) -> float:  # noqa: ARG002  (a block)
        """Return how high it is at a width."""
        return ROW

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw both boxes and the arrow between them."""
        first, gap = width * FROM, width * ARROW
        second = width - first - gap
        middle = y + ROW / 2
        for left, own, words in ((x, first, self.left), (x + first + gap, second, self.right)):
            ink.rect(left, y + 4, own, ROW - 8, f"chip {self.style}", radius=3)
            ink.text(left + 8, middle + 4, words, own - 14, size=SMALL)
        start, end = x + first + 8, x + first + gap - 8
        ink.text(
            (start + end) / 2,
            middle - 5,
            self.words,
            gap - 28,
            style="m",
            size=SMALL,
            anchor="middle",
        )
        line = middle + 3
        if self.towards_left and not self.towards_right:
            start, end = end, start
        both = self.towards_left and self.towards_right
        arrow = self.towards_left or self.towards_right
        ink.path(f"M{start:.1f} {line:.1f}H{end:.1f}", "line store-line", arrow=arrow, both=both)


@dataclass(frozen=True)
class Mount:
    """A vertical arrow between nodes above and a file system below."""

    words: str
    works: bool | None
    """None where it cannot be told."""

    def height(self, width: float) -> float:  # noqa: ARG002  (a block)
        """Return how high it is at a width."""
        return LINE + 12

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw the arrow and say beside it what passes."""
        at = x + 40
        style = {True: "store-line", False: "bad-line", None: "unknown-line"}[self.works]
        bottom = y + self.height(width) - 1
        ink.path(f"M{at:.1f} {y + 1:.1f}V{bottom:.1f}", f"line {style}", both=True)
        ink.text(at + 14, y + LINE * 0.75 + 6, self.words, width - 60, style="m", size=SMALL)
