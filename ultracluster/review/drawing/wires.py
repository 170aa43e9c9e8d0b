"""Lines between blocks that are drawn, in lanes of their own where no text ever is."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.review.drawing.blocks import Block
from ultracluster.review.drawing.ink import Ink

LANE: Final = 12.0
DOWN: Final = 18.0
"""How far below the upper edge of a block its lines begin."""


@dataclass(frozen=True)
class Anchored:
    """A block that lines may lead to."""

    block: Block
    name: Hashable
    down: float = DOWN

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        return self.block.height(width)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw it, and note where it is."""
        ink.anchors[self.name] = (x, y + self.down)
        self.block.draw(ink, x, y, width)


@dataclass(frozen=True)
class Wire:
    """A line from several blocks to one."""

    sources: Sequence[Hashable]
    target: Hashable


@dataclass(frozen=True)
class Wired:
    """A block with lines in a gutter at its left, a lane for each wire."""

    block: Block
    wires: Sequence[Wire]

    @property
    def _gutter(self) -> float:
        return LANE * len(self.wires) + (6 if self.wires else 0)

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        return self.block.height(width - self._gutter)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw the block, then the lines."""
        self.block.draw(ink, x + self._gutter, y, width - self._gutter)
        for number, wire in enumerate(self.wires):
            lane = x + LANE * number + LANE / 2
            # Each lane meets a block at a height of its own, so that no two lines lie on another.
            shift = 5.0 * number
            end = ink.anchors.get(wire.target)
            starts = [ink.anchors[s] for s in wire.sources if s in ink.anchors]
            if end is None or not starts:
                continue
            target = end[1] + shift
            for across, down in starts:
                ink.path(
                    f"M{across:.1f} {down + shift:.1f}H{lane:.1f}V{target:.1f}H{end[0] - 1:.1f}",
                    "line plain-line",
                    arrow=True,
                )
