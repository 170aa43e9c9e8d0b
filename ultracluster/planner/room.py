"""Which partition sizes of a kind fit into memory, and what scarce memory costs the others."""

import math
from bisect import bisect_left
from typing import Final

from ultracluster.planner.layout import Kind, Layout, Setup
from ultracluster.planner.memory import Memory, memory

FINEST: Final = 2**20
"""A partition size at which the model state takes no room."""

Flags = tuple[bool, bool]
"""Whether a step has several passes, and whether there are several nodes: all of a number of GPUs
that memory asks for."""


def anywhere(setup: Setup, kind: Kind, p: int, flags: Flags) -> Layout:
    """Return a layout that stands for those on any number of GPUs."""
    accumulates, distributed = flags
    per_node = setup.network.gpus_per_node
    gpus = 2 * p * kind.gpus_of_a_rank * per_node if distributed else per_node
    return kind.layout(p, gpus, 2 * kind.pipeline if accumulates else 1, per_node)


def holding(setup: Setup, kind: Kind, p: int, flags: Flags) -> Memory:
    """Return what a GPU holds in a layout on any number of GPUs."""
    return memory(setup, anywhere(setup, kind, p, flags))


class Room:
    """What is known of the memory of one kind, of which larger partitions take less."""

    __slots__ = ("between", "finest", "none", "of", "plenty")

    def __init__(self, setup: Setup, kind: Kind, flags: Flags) -> None:
        """Look at two partition sizes.

        What does not fit however finely it is split needs no look at each size; and nothing of a
        stage is gathered, so that all but its part of the state is the same for every size.
        """
        self.of = setup, kind, flags
        self.between: dict[int, float] = {}
        """Layers in flight that there is no memory for, by partition."""
        self.plenty, self.none = FINEST, 0
        """The smallest partition known to leave room for all layers in flight, and the largest one
        known not to fit."""
        finest = self._holding(FINEST)
        self.finest = finest.needed
        if not finest.fits:
            self.none = FINEST
        elif setup.stack.keeps_weights(kind.pipeline):
            state = self._holding(1).needed - finest.needed
            self.plenty = math.ceil(state / max(finest.capacity - finest.needed, 1.0))
            self.none = self.plenty - 1

    def _holding(self, p: int) -> Memory:
        setup, kind, flags = self.of
        return holding(setup, kind, p, flags)

    def shortage(self, p: int) -> float | None:
        """Return the layers in flight without memory; None where a size does not fit."""
        if p < self.plenty and p not in self.between:
            found = self._holding(p)
            if not found.fits:
                self.none = max(self.none, self._largest(p, found))
                return None
            self.between[p] = found.shortage(self.of[0].stack.live_layers)
            self.plenty = self.plenty if self.between[p] else p
        return self.between.get(p, 0.0)

    def _largest(self, p: int, found: Memory) -> int:
        """Return the largest partition that does not fit, where a given one does not.

        What is needed falls with the partition as a chord of it does, or faster.
        """
        share = (found.capacity - self.finest) / (found.needed - self.finest)
        fits = math.ceil(p / share) if share else FINEST
        if not self._holding(fits - 1).fits:
            return fits - 1
        sizes = range(p + 1, fits - 1)
        return p + bisect_left(sizes, True, key=lambda size: self._holding(size).fits)
