"""Blocks that fill a rectangle: each knows how high it is at a width, and draws within that.

Blocks are put beside and below each other and never overlap, whatever is in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ultracluster.review.drawing.ink import LARGE, LINE, NORMAL, SMALL, Ink
from ultracluster.review.drawing.lettering import width as width_of
from ultracluster.review.drawing.lettering import wrapped

PAD: Final = 10.0
GAP: Final = 10.0
CHIP: Final = 22.0
"""Height of a chip."""


class Block(Protocol):
    """Something that is drawn in a rectangle."""

    def height(self, width: float) -> float:
        """Return how high it is at a width."""

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at a point."""


@dataclass(frozen=True)
class Say:
    """A text in as many lines as it takes, up to a number."""

    words: str
    style: str = ""
    size: float = NORMAL
    bold: bool = False
    lines: int = 2

    def _lines(self, width: float) -> list[str]:
        return wrapped(self.words, width, self.size, bold=self.bold, most=self.lines)

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        return LINE * len(self._lines(width))

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Write every line."""
        lines = self._lines(width)
        cut = bool(lines) and " ".join(lines) != " ".join(self.words.split())
        for number, line in enumerate(lines):
            baseline = y + LINE * number + LINE * 0.75
            if cut and number == len(lines) - 1:
                with ink.group(self.words):
                    self._write(ink, x, baseline, line, width)
            else:
                self._write(ink, x, baseline, line, width)

    def _write(self, ink: Ink, x: float, baseline: float, line: str, width: float) -> None:
        ink.text(x, baseline, line, width, style=self.style, size=self.size, bold=self.bold)


@dataclass(frozen=True)
class Stack:
    """Blocks below each other."""

    blocks: Sequence[Block]
    gap: float = GAP

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        heights = [block.height(width) for block in self.blocks]
        return sum(heights) + self.gap * max(len(heights) - 1, 0)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw one after the other."""
        for block in self.blocks:
            block.draw(ink, x, y, width)
            y += block.height(width) + self.gap


@dataclass(frozen=True)
class Columns:
    """Blocks beside each other, their widths in proportion to weights."""

    blocks: Sequence[tuple[Block, float]]
    gap: float = GAP
    middle: bool = False
    """Whether lower ones are put in the middle of the highest."""

    def _widths(self, width: float) -> list[float]:
        room = width - self.gap * (len(self.blocks) - 1)
        total = sum(weight for _, weight in self.blocks)
        return [room * weight / total for _, weight in self.blocks]

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        pairs = zip(self.blocks, self._widths(width), strict=True)
        return max((block.height(own) for (block, _), own in pairs), default=0)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw one beside the other."""
        total = self.height(width)
        for (block, _), own in zip(self.blocks, self._widths(width), strict=True):
            down = (total - block.height(own)) / 2 if self.middle else 0
            block.draw(ink, x, y + down, own)
            x += own + self.gap


@dataclass(frozen=True)
class Grid:
    """Blocks of one width in rows."""

    blocks: Sequence[Block]
    least: float
    """Least width of a column."""
    gap: float = GAP

    def _rows(self, width: float) -> tuple[list[Sequence[Block]], float]:
        count = max(int((width + self.gap) // (self.least + self.gap)), 1)
        count = min(count, max(len(self.blocks), 1))
        rows = [self.blocks[i : i + count] for i in range(0, len(self.blocks), count)]
        return rows, (width - self.gap * (count - 1)) / count

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        rows, own = self._rows(width)
        heights = [max(block.height(own) for block in row) for row in rows]
        return sum(heights) + self.gap * max(len(rows) - 1, 0)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw row by row."""
        rows, own = self._rows(width)
        for row in rows:
            for number, block in enumerate(row):
                block.draw(ink, x + number * (own + self.gap), y, own)
            y += max(block.height(own) for block in row) + self.gap


@dataclass(frozen=True)
class Frame:
    """A box with a title, a note beside or below it, and a block within."""

    title: str
    note: str
    content: Block
    style: str
    size: float = NORMAL

    def _header(self, width: float) -> Block:
        room = width - 2 * PAD
        title = width_of(self.title, self.size, bold=True)
        both = title + width_of(self.note, SMALL) + 2 * GAP <= room
        if not self.note:
            return Say(self.title, size=self.size, bold=True, lines=1)
        if both:
            return _Header(self.title, self.note, self.size, title)
        return Stack(
            [Say(self.title, size=self.size, bold=True, lines=1), Say(self.note, "m", SMALL)], 0
        )

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        room = width - 2 * PAD
        content = self.content.height(room)
        return PAD + self._header(width).height(room) + (content + 6 if content else 0) + PAD

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw box, title and content."""
        with ink.group(self.title):
            ink.rect(x, y, width, self.height(width), f"box {self.style}")
            header = self._header(width)
            room = width - 2 * PAD
            header.draw(ink, x + PAD, y + PAD, room)
            below = y + PAD + header.height(room) + 6
            self.content.draw(ink, x + PAD, below, room)


@dataclass(frozen=True)
class _Header:
    """Title at the left, note at the right."""

    title: str
    note: str
    size: float
    taken: float

    def height(self, width: float) -> float:  # noqa: ARG002  (a block)
        """Return how high it is at a width."""
        return LINE

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Write both."""
        baseline = y + LINE * 0.75
        ink.text(x, baseline, self.title, width, size=self.size, bold=True)
        room = width - self.taken - GAP
        ink.text(x + width, baseline, self.note, room, style="m", size=SMALL, anchor="end")


@dataclass(frozen=True)
class Chips:
    """Short texts in small boxes, in as many rows as they take."""

    words: Sequence[tuple[str, str]]
    """Each text and its style."""
    label: str = ""

    def _places(self, width: float) -> list[tuple[float, float, float]]:
        places: list[tuple[float, float, float]] = []
        across, down = 0.0, 0.0
        for words, _ in self.words:
            own = min(width_of(words, SMALL) + 14, width)
            if across and across + own > width:
                across, down = 0.0, down + CHIP + 6
            places.append((across, down, own))
            across += own + 6
        return places

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        label = LINE if self.label and self.words else 0
        places = self._places(width)
        return label + (places[-1][1] + CHIP if places else 0)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw every chip."""
        if self.label and self.words:
            ink.text(x, y + LINE * 0.7, self.label, width, style="m", size=SMALL)
            y += LINE
        for (words, style), (across, down, own) in zip(
            self.words, self._places(width), strict=True
        ):
            ink.rect(x + across, y + down, own, CHIP, f"chip {style}", radius=3)
            ink.text(x + across + 7, y + down + 15, words, own - 12, size=SMALL)


@dataclass(frozen=True)
class Nothing:
    """A block without anything in it."""

    def height(self, width: float) -> float:  # noqa: ARG002  (a block)
        """Return 0."""
        return 0

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw nothing."""


TITLE: Final = LARGE
