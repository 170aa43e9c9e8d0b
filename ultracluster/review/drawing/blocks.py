"""Blocks of a picture: each knows how high it is at a width, and draws within that.

Blocks are put beside and below each other and never overlap, whatever is in them. The picture in
words is read off the same blocks, so that both say the same.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ultracluster.review.drawing.svg import LINE, NORMAL, SMALL, Canvas, wrapped
from ultracluster.review.drawing.svg import width as width_of

PAD: Final = 10.0
GAP: Final = 10.0
CHIP: Final = 22.0
"""Height of a chip."""
CHANGED: Final = "▲"
"""Stands before what a change says of a box: colour alone would not reach every reader."""
LEGEND: Final = "Legend"
"""Label of the chips that explain the picture: its words need them not."""


def changed_chip(change: str) -> tuple[str, str]:
    """Return what a change does as a chip: a sign, its words, and its colour."""
    return f"{CHANGED} {change}", f"changed {change.replace(' ', '-')}"


@dataclass(frozen=True)
class Item:
    """A line of the picture in words, with those below it."""

    says: str
    below: Sequence["Item"] = ()


class Block(Protocol):
    """Something that is drawn in a rectangle; `x` and `y` are its upper left corner."""

    def height(self, width: float, /) -> float: ...

    def draw(self, canvas: Canvas, x: float, y: float, width: float, /) -> None: ...

    def words(self) -> Iterator[Item]:
        """Yield the same in words."""


@dataclass(frozen=True)
class Say:
    """A text in as many lines as it takes, up to a number."""

    said: str
    style: str = ""
    size: float = NORMAL
    bold: bool = False
    lines: int = 2

    def _lines(self, width: float) -> Sequence[str]:
        return wrapped(self.said, width, self.size, bold=self.bold, most=self.lines)

    def height(self, width: float) -> float:
        return LINE * len(self._lines(width))

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        lines = self._lines(width)
        cut = " ".join(lines) != " ".join(self.said.split())
        for number, line in enumerate(lines, start=1):
            baseline = y + LINE * (number - 1) + LINE * 0.75
            if cut and number == len(lines):
                with canvas.group(self.said):
                    self._write(canvas, x, baseline, line, width)
            else:
                self._write(canvas, x, baseline, line, width)

    def _write(self, canvas: Canvas, x: float, baseline: float, line: str, width: float) -> None:
        canvas.text(x, baseline, line, width, style=self.style, size=self.size, bold=self.bold)

    def words(self) -> Iterator[Item]:
        yield Item(self.said)


@dataclass(frozen=True)
class Stack:
    """Blocks below each other."""

    blocks: Sequence[Block]
    gap: float = GAP

    def height(self, width: float) -> float:
        heights = [block.height(width) for block in self.blocks]
        return sum(heights) + self.gap * max(len(heights) - 1, 0)

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        for block in self.blocks:
            block.draw(canvas, x, y, width)
            y += block.height(width) + self.gap

    def words(self) -> Iterator[Item]:
        for block in self.blocks:
            yield from block.words()


def at_most(most: int, blocks: Sequence[Block], what: str) -> list[Block]:
    """Return the first blocks of a list, and how many more there are."""
    left = len(blocks) - most
    return [*blocks[:most], *([Say(f"and {left} more {what}", "m", SMALL)] if left > 0 else [])]


@dataclass(frozen=True)
class Grid:
    """Blocks of one width in rows."""

    blocks: Sequence[Block]
    least: float
    """Least width of a column."""

    def _columns(self, width: float) -> tuple[int, float]:
        """Return how many columns there are, and how wide each is."""
        most = max(int((width + GAP) // (self.least + GAP)), 1)
        count = min(most, max(len(self.blocks), 1))
        return count, (width - GAP * (count - 1)) / count

    def _rows(self, width: float) -> Iterator[tuple[Sequence[Block], float]]:
        """Yield the blocks of each row, and how high it is."""
        count, own = self._columns(width)
        for start in range(0, len(self.blocks), count):
            row = self.blocks[start : start + count]
            yield row, max(block.height(own) for block in row)

    def height(self, width: float) -> float:
        heights = [height for _, height in self._rows(width)]
        return sum(heights) + GAP * max(len(heights) - 1, 0)

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        _, own = self._columns(width)
        for row, height in self._rows(width):
            for number, block in enumerate(row):
                block.draw(canvas, x + number * (own + GAP), y, own)
            y += height + GAP

    def words(self) -> Iterator[Item]:
        return Stack(self.blocks).words()


@dataclass(frozen=True)
class Frame:
    """A box with a title, a note beside or below it, and a block within."""

    title: str
    note: str
    content: Block
    style: str
    size: float = NORMAL
    key: Hashable = None
    """What lines lead to."""
    change: str = ""
    """What a change does to it, where one does."""

    def _beside(self, width: float) -> bool:
        """Whether the note fits at the right of the title."""
        taken = width_of(self.title, self.size, bold=True) + width_of(self.note, SMALL)
        return bool(self.note) and taken + 2 * GAP <= width

    def _header(self, width: float) -> Block:
        rows: list[Block] = [Say(self.title, size=self.size, bold=True, lines=1)]
        if self.note and not self._beside(width):
            rows.append(Say(self.note, "m", SMALL))
        if self.change:
            rows.append(Chips([changed_chip(self.change)]))
        return Stack(rows, 0)

    def height(self, width: float) -> float:
        room = width - 2 * PAD
        content = self.content.height(room)
        return PAD + self._header(room).height(room) + (content + 6 if content else 0) + PAD

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        if self.key is not None:
            canvas.anchors[self.key] = (x, y + 18)
        with canvas.group(self.title):
            changed = f" changed {self.change.replace(' ', '-')}" if self.change else ""
            style = f"box {self.style}{changed}"
            canvas.rect(x, y, width, self.height(width), style)
            room = width - 2 * PAD
            header = self._header(room)
            header.draw(canvas, x + PAD, y + PAD, room)
            if self._beside(room):
                right, baseline = x + PAD + room, y + PAD + LINE * 0.75
                canvas.text(right, baseline, self.note, room, style="m", anchor="end")
            self.content.draw(canvas, x + PAD, y + PAD + header.height(room) + 6, room)

    def words(self) -> Iterator[Item]:
        change = f" ({CHANGED} {self.change})" if self.change else ""
        yield Item(
            f"{', '.join(filter(None, (self.title, self.note)))}{change}",
            tuple(self.content.words()),
        )


@dataclass(frozen=True)
class Chips:
    """Short texts in small boxes, in as many rows as they take."""

    chips: Sequence[tuple[str, str]]
    """Each text and its style; one that begins with `line` is drawn as a line beside the text."""
    label: str = ""
    key: Hashable = None
    """What lines lead to."""

    def _places(self, width: float) -> list[tuple[float, float, float]]:
        places: list[tuple[float, float, float]] = []
        across, down = 0.0, 0.0
        for said, style in self.chips:
            own = width_of(said, SMALL) + (14 if not style.startswith("line") else SAMPLE + 14)
            own = min(own, width)
            if across and across + own > width:
                across, down = 0.0, down + CHIP + 6
            places.append((across, down, own))
            across += own + 6
        return places

    def height(self, width: float) -> float:
        places = self._places(width)
        return (LINE if self.label else 0) + (places[-1][1] + CHIP if places else 0)

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        if self.label:
            canvas.text(x, y + LINE * 0.7, self.label, width, style="m")
            y += LINE
        if self.key is not None:
            canvas.anchors[self.key] = (x, y + CHIP / 2)
        for (said, style), (across, down, own) in zip(self.chips, self._places(width), strict=True):
            left, top, before = x + across, y + down, 7.0
            if style.startswith("line"):
                canvas.path(f"M{left:.1f} {top + 11:.1f}h{SAMPLE:g}", style)
                before += SAMPLE
            else:
                canvas.rect(left, top, own, CHIP, f"chip {style}", radius=3)
            canvas.text(left + before, top + 15, said, own - before - 5)

    def words(self) -> Iterator[Item]:
        said = ", ".join(said for said, _ in self.chips)
        if self.label != LEGEND:
            yield Item(f"{self.label}: {said}" if self.label else said)


SAMPLE: Final = 24.0
"""Length of a line in the legend."""
