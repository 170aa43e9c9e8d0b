"""Arrows and lines: between boxes that are drawn, and rows that show what leads where."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from ultracluster.review.drawing.blocks import Block, Edge, Item
from ultracluster.review.drawing.svg import LINE, Canvas

LANE: Final = 12.0
ROW: Final = 34.0
FROM: Final = 0.24
ARROW: Final = 0.30
STYLES: Final = {True: "store-line", False: "bad-line", None: "unknown-line"}


@dataclass(frozen=True)
class WithLines:
    """A block with lines at its left, each in a lane of its own where no text ever is."""

    block: Block
    lines: Mapping[Hashable, Sequence[Hashable]]
    """The boxes from which a line leads to each box."""

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        lanes = LANE * len(self.lines) + (6 if self.lines else 0)
        height = self.block.draw(canvas, x + lanes, y, width - lanes)
        for number, (target, sources) in enumerate(self.lines.items()):
            lane = x + LANE * number + LANE / 2
            # Each lane meets a box at a height of its own, so that no two lines lie on another.
            shift = 5.0 * number
            ends, starts = (
                [canvas.anchors[box] for box in boxes if box in canvas.anchors]
                for boxes in ([target], sources)
            )
            for (right, up), (across, down) in product(ends, starts):
                shape = f"M{across:.1f} {down + shift:.1f}H{lane:.1f}V{up + shift:.1f}"
                canvas.path(f"{shape}H{right - 1:.1f}", "line plain-line", arrow=True)
        return height

    def words(self) -> Iterator[Item]:
        """Yield the block's words: each subnet says which way leads out of it."""
        return self.block.words()


@dataclass(frozen=True)
class Flow:
    """One thing, an arrow with words on it, and another thing."""

    left: str
    said: str
    right: str
    towards_right: bool
    towards_left: bool
    style: str = "store"
    edges: Sequence[Edge] = ()

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        first, gap = width * FROM, width * ARROW
        second = width - first - gap
        middle = y + ROW / 2
        for left, own, said in ((x, first, self.left), (x + first + gap, second, self.right)):
            canvas.rect(left, y + 4, own, ROW - 8, f"chip {self.style}", radius=3)
            canvas.text(left + 8, middle + 4, said, own - 14)
        start, end = x + first + 8, x + first + gap - 8
        canvas.text((start + end) / 2, middle - 5, self.said, gap - 28, style="m", anchor="middle")
        if self.towards_left and not self.towards_right:
            start, end = end, start
        canvas.path(
            f"M{start:.1f} {middle + 3:.1f}H{end:.1f}",
            "line store-line",
            arrow=self.towards_left or self.towards_right,
            both=self.towards_left and self.towards_right,
        )
        return ROW

    def words(self) -> Iterator[Item]:
        yield Item(f"{self.left} {self.said}: {self.right}")


@dataclass(frozen=True)
class Mount:
    """A vertical arrow between nodes above and a file system below."""

    said: str
    works: bool | None
    """None where the templates do not tell."""
    edges: Sequence[Edge] = ()

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        at, height = x + 40, LINE + 12
        shape = f"M{at:.1f} {y + 1:.1f}V{y + height - 1:.1f}"
        canvas.path(shape, f"line {STYLES[self.works]}", both=True)
        canvas.text(at + 14, y + LINE * 0.75 + 6, self.said, width - 60, style="m")
        return height

    def words(self) -> Iterator[Item]:
        yield Item(self.said)
