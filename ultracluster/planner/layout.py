"""What is trained on what, how it is laid out over GPUs, and which layout is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from ultracluster.catalogue.sharding import divisors
from ultracluster.planner.devices import Gpu, Network
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import SoftwareStack

INDIFFERENCE: Final = 0.05
"""Layouts this close to the fastest count as equal, for the model cannot tell them apart
(docs/planner-accuracy.md). Of these, one without tensor parallelism is chosen before one with it,
for any training program can run it; then the smallest partition group, which leaves the most
replicas and asks the least of the network."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a plan takes for given; what is in doubt of it is another setup."""

    shape: ModelShape
    gpu: Gpu
    network: Network
    stack: SoftwareStack


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to train a model on so many GPUs."""

    gpus: int
    partition: int
    """Data-parallel ranks that share one copy of the model state (MiCS group)."""
    tensor: int = 1
    """GPUs that share every matrix product, and the tokens between them."""
    micro_batch: int = 1
    """Sequences of one forward and backward pass."""
    accumulation: int = 1
    """Passes before the optimizer steps."""
    checkpointing: bool = True
    hierarchical: bool = False
    """Whether weights are gathered between nodes first, then inside a node."""
    reshard: bool = True
    """Whether gathered weights are freed between forward and backward pass."""

    @property
    def data_parallel(self) -> int:
        """Ranks that see different sequences."""
        return self.gpus // self.tensor

    @property
    def replicas(self) -> int:
        """Copies of the model state."""
        return self.data_parallel // self.partition

    @property
    def group(self) -> int:
        """GPUs that hold one copy of the model state."""
        return self.partition * self.tensor

    @property
    def sequences(self) -> int:
        """Sequences of one optimizer step."""
        return self.micro_batch * self.accumulation * self.data_parallel


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
    kind: Kind
    accumulation: int
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
    return tuple(p for p in divisors(ranks) if p % per_node == 0 or per_node % p == 0)
