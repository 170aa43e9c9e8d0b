"""Blocks of a picture: each is drawn at a width, and is as high as it turns out to be.

Blocks are put beside and below each other and never overlap, whatever is in them. The picture in
words and the Mermaid chart are read off the same blocks, so that all three say the same.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

from ultracluster.review.drawing.svg import LINE, NORMAL, SMALL, Canvas, wrapped
from ultracluster.review.drawing.svg import width as width_of

PAD: Final = 10.0
GAP: Final = 10.0
CHIP: Final = 22.0
"""Height of a chip."""
SAMPLE: Final = 24.0
"""Length of a line in the legend."""
CHANGED: Final = "▲"
"""Stands before what a change says of a box: colour alone would not reach every reader."""
OUTSIDE: Final = "s3"
"""Begins the key of a bucket that is named in the templates and not defined there."""


def changed_chip(change: str) -> tuple[str, str]:
    """Return what a change does as a chip: a sign, its words, and its colour."""
    return f"{CHANGED} {change}", f"changed {change.replace(' ', '-')}"


@dataclass(frozen=True)
class Item:
    """A line of the picture in words, with those below it."""

    says: str
    below: Sequence["Item"] = ()


@dataclass(frozen=True)
class Edge:
    """What leads from one box to another, for the Mermaid chart."""

    source: Hashable
    target: Hashable
    words: str = ""
    both: bool = False


class Block(Protocol):
    """Something that is drawn in a rectangle."""

    def draw(self, canvas: Canvas, x: float, y: float, width: float, /) -> float:
        """Draw it from its upper left corner on, and return how high it is."""

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

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        lines = wrapped(self.said, width, self.size, bold=self.bold, most=self.lines)
        cut = " ".join(lines) != " ".join(self.said.split())
        for number, line in enumerate(lines, start=1):
            titled = cut and number == len(lines)
            with canvas.group(self.said) if titled else nullcontext():
                baseline = y + LINE * (number - 0.25)
                style, size, bold = self.style, self.size, self.bold
                canvas.text(x, baseline, line, width, style=style, size=size, bold=bold)
        return LINE * len(lines)

    def words(self) -> Iterator[Item]:
        yield Item(self.said)


@dataclass(frozen=True)
class Stack:
    """Blocks below each other."""

    blocks: Sequence[Block]
    gap: float = GAP

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        down = y
        for block in self.blocks:
            down += block.draw(canvas, x, down, width) + self.gap
        return max(down - self.gap - y, 0)

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

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        most = max(int((width + GAP) // (self.least + GAP)), 1)
        count = min(most, max(len(self.blocks), 1))
        own, down = (width - GAP * (count - 1)) / count, y
        for start in range(0, len(self.blocks), count):
            row = enumerate(self.blocks[start : start + count])
            down += max(b.draw(canvas, x + n * (own + GAP), down, own) for n, b in row) + GAP
        return max(down - GAP - y, 0)

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

    def _header(self, *, beside: bool) -> Block:
        rows: list[Block] = [Say(self.title, size=self.size, bold=True, lines=1)]
        if self.note and not beside:
            rows.append(Say(self.note, "m", SMALL))
        if self.change:
            rows.append(Chips([changed_chip(self.change)]))
        return Stack(rows, 0)

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        if self.key is not None:
            canvas.anchors[self.key] = (x, y + 18)
        left, down, room = x + PAD, y + PAD, width - 2 * PAD
        taken = width_of(self.title, self.size, bold=True) + width_of(self.note, SMALL)
        beside = bool(self.note) and taken + 2 * GAP <= room
        with canvas.group(self.title), canvas.later() as box:
            down += self._header(beside=beside).draw(canvas, left, down, room)
            if beside:
                baseline = y + PAD + LINE * 0.75
                canvas.text(left + room, baseline, self.note, room, style="m", anchor="end")
            if content := self.content.draw(canvas, left, down + 6, room):
                down += content + 6
            changed = f" changed {self.change.replace(' ', '-')}" if self.change else ""
            box.rect(x, y, width, down + PAD - y, f"box {self.style}{changed}")
        return down + PAD - y

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

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        down = y
        if self.label:
            canvas.text(x, y + LINE * 0.7, self.label, width, style="m")
            down += LINE
        if self.key is not None:
            canvas.anchors[self.key] = (x, down + CHIP / 2)
        across = 0.0
        for said, style in self.chips:
            sample = SAMPLE if style.startswith("line") else 0.0
            own = min(width_of(said, SMALL) + sample + 14, width)
            if across and across + own > width:
                across, down = 0.0, down + CHIP + 6
            left = x + across
            if sample:
                canvas.path(f"M{left:.1f} {down + 11:.1f}h{SAMPLE:g}", style)
            else:
                canvas.rect(left, down, own, CHIP, f"chip {style}", radius=3)
            canvas.text(left + sample + 7, down + 15, said, own - sample - 12)
            across += own + 6
        return down - y + (CHIP if self.chips else 0)

    def words(self) -> Iterator[Item]:
        said = ", ".join(said for said, _ in self.chips)
        yield Item(f"{self.label}: {said}" if self.label else said)
