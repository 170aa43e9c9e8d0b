"""Layouts that a search compares, and which of them is taken."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

INDIFFERENCE: Final = 0.05
"""Layouts this close to the fastest count as equal, for the model cannot tell them apart
(docs/planner-accuracy.md). Of these, one without tensor parallelism is chosen before one with it,
for any training program can run it; then the smallest partition group, which leaves the most
replicas and asks the least of the network."""


class Kind(NamedTuple):
    """A way to train that leaves the partition size open."""

    tensor: int
    micro_batch: int
    """Sequences of one pass."""
    checkpointing: bool
    accumulates: bool
    """Whether a step has several passes."""
    distributed: bool
    """Whether there are several nodes."""


class Candidate(NamedTuple):
    """A layout that fits."""

    rate: float
    """Sequences per second."""
    kind: Kind
    accumulation: int
    """Passes of a step."""
    partition: int
    """Data-parallel ranks that share one copy of the model state."""

    @property
    def group(self) -> int:
        """GPUs that hold one copy of the model state."""
        return self.partition * self.kind.tensor


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the simplest of the layouts that are as good as the fastest: see `INDIFFERENCE`."""
    if not candidates:
        return None
    good = max(each.rate for each in candidates) * (1 - INDIFFERENCE)
    near = [each for each in candidates if each.rate >= good]
    simplest = min((each.kind.tensor, each.group) for each in near)
    return max(
        (each for each in near if (each.kind.tensor, each.group) == simplest),
        key=lambda each: each.rate,
    )


@cache
def partitions(ranks: int, per_node: int) -> tuple[int, ...]:
    """Return the partition sizes of so many ranks: parts of a node, or whole nodes."""
    found = [d for d in range(1, math.isqrt(ranks) + 1) if ranks % d == 0]
    every = sorted({*found, *(ranks // d for d in found)})
    return tuple(p for p in every if p % per_node == 0 or per_node % p == 0)
