"""Which partition sizes fit into GPU memory, and how much memory the others lack."""

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


class PartitionMemory:
    """What is known of the memory of one kind, of which larger partitions take less."""

    __slots__ = ("known", "none", "of", "plenty")

    def __init__(self, setup: Setup, kind: Kind, flags: Flags) -> None:
        self.of = setup, kind, flags
        self.known: dict[int, float] = {}
        self.plenty, self.none = FINEST + 1, 0
        """The smallest partition known to leave room for all layers in flight, and the largest one
        known not to fit."""
        # What does not fit however finely it is split needs no look at each size.
        self.shortage(FINEST)

    def shortage(self, p: int) -> float | None:
        """Return the layers in flight without memory; None where a size does not fit."""
        if p < self.plenty and p not in self.known:
            setup, kind, flags = self.of
            found = holding(setup, kind, p, flags)
            if not found.fits:
                self.none = max(self.none, p)
                return None
            self.known[p] = found.shortage(setup.stack.live_layers)
            self.plenty = self.plenty if self.known[p] else p
        return self.known.get(p, 0.0)
