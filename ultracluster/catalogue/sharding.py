"""How a model's state can be divided over the GPUs of a job; arithmetic for all engines.

A partition group is a run of consecutive ranks that holds one copy of the model state (MiCS, arXiv
2205.00119; DeepSpeed's mics_utils.py numbers them the same way). It fills nodes or divides one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ultracluster.problem import Problem, choices

STATE_BYTES = 16
"""For each parameter: bf16 weight and gradient, fp32 master and two moments (training facts, b)."""
MIB = 2**20


@dataclass(frozen=True)
class Cluster:
    """The GPUs of one job."""

    nodes: int
    gpus_per_node: int

    @property
    def world(self) -> int:
        return self.nodes * self.gpus_per_node

    def __str__(self) -> str:
        return f"{self.world:,} GPUs ({self.nodes:,} x {self.gpus_per_node})"


def divisors(number: int) -> list[int]:
    """Return what divides a positive number, smallest first."""
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})


def nearest(wanted: int, fitting: list[int]) -> str:
    """Return the two choices around a value that does not fit."""
    below = [n for n in fitting if n <= wanted][-1:]
    above = [n for n in fitting if n > wanted][:1]
    return choices((*below, *above)) if below or above else "1"


def partition_problems(field: str, size: int, cluster: Cluster) -> Iterator[Problem]:
    """Yield why a partition group of that many GPUs does not fit a job."""
    node, world = cluster.gpus_per_node, cluster.world
    fitting = [p for p in divisors(world) if node % p == 0 or p % node == 0]
    if size < 1 or world % size:
        fix = f"it does not divide the {cluster}; write {nearest(size, fitting)}"
        yield Problem(field, size, fix)
    elif size not in fitting:
        fix = f"a partition group fills nodes or divides one, and a node has {node} GPUs"
        yield Problem(field, size, f"{fix}; write {nearest(size, fitting)}")


def tensor_problems(
    field: str, ways: int, cluster: Cluster, *, partition: int | None = None
) -> Iterator[Problem]:
    """Yield why a layer cannot be shared by that many GPUs of a node."""
    fitting = divisors(cluster.gpus_per_node)
    if ways < 1 or cluster.gpus_per_node % ways:
        fix = "a layer is shared inside a node, and it does not divide the "
        fix += f"{cluster.gpus_per_node} GPUs of one; write {nearest(ways, fitting)}"
        yield Problem(field, ways, fix)
    elif partition and partition % ways:
        both = [n for n in fitting if partition % n == 0]
        fix = f"it is part of the partition group of {partition}; write {nearest(ways, both)}"
        yield Problem(field, ways, fix)


def batch_problems(
    field: str, whole: int, micro: int, ways: int, cluster: Cluster
) -> Iterator[Problem]:
    """Yield why a batch does not divide among the ranks, each of `ways` GPUs."""
    if cluster.world % ways:
        return  # that is reported already
    ranks = cluster.world // ways
    at_once = micro * ranks
    if whole % at_once:
        lower = whole // at_once * at_once
        near = choices(n for n in (lower, lower + at_once) if n)
        fix = f"{ranks} ranks take {micro} sequences each, so that a step has a multiple of "
        yield Problem(field, whole, f"{fix}{at_once}; write {near}")


def hierarchical_problems(field: str, size: int, cluster: Cluster) -> Iterator[Problem]:
    """Yield why the weights of a partition group cannot be gathered between nodes first.

    DeepSpeed asserts it (deepspeed/runtime/zero/mics_utils.py, training facts, c.1).
    """
    if size <= cluster.gpus_per_node:
        fix = f"a group of {size} lies in one node of {cluster.gpus_per_node} GPUs, and there is "
        yield Problem(field, True, f"{fix}nothing to gather between nodes; write false")


def memory_problems(
    field: str, size: int, *, parameters: int, memory_mib: int
) -> Iterator[Problem]:
    """Yield why the state of a model cannot lie in the memory of a group's GPUs.

    A necessary condition only: activations, gathered weights and the optimizer's buffers come on
    top (docs/training/README.md has the arithmetic).
    """
    needed = parameters * STATE_BYTES
    held = memory_mib * MIB
    if held and size >= 1 and needed > held * size:
        least = -(-needed // held)
        fix = f"{parameters / 1e9:,.1f} billion parameters at {STATE_BYTES} bytes do not fit into "
        fix += f"{size} x {memory_mib / 1024:,.0f} GiB; write {least} or more"
        yield Problem(field, size, fix)
