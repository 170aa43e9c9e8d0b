"""Bind one rank to the socket of its GPU, and run its command.

    python -m training.launch rank -- python -m training.train gpt-30b-p4d

Where srun started it, the command is told what torchrun would say (docs/training/contract.md).

CPUs and memory of another socket cost bandwidth on every copy between host and GPU. What the
machine does not tell is said and left alone: a job never fails for it.
"""

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.launch.contract import rank_variables
from training.launch.environment import of_torch
from training.launch.topology import Device, Topology, listed
from training.problems import UserError

RANK_VARIABLES = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")
"""Who says which rank of its node a process is: torchrun, srun, Open MPI."""

CANNOT_RUN = 127
"""What a shell ends with when a command is not found."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Where one rank is to run."""

    local_rank: int
    """Its index on the node."""
    said: str
    """All of it, for a log."""
    gpu: Device | None = None
    cpus: frozenset[int] = frozenset()
    """CPUs it is to run on; empty to leave what it has."""
    numa_node: int | None = None
    """NUMA node that its memory is to come from, None to leave that to Linux."""
    cards: tuple[str, ...] = ()
    """Names of the network cards near to the GPU."""


def local_rank(environment: Mapping[str, str]) -> int:
    """Return the rank's index on its node."""
    for name in RANK_VARIABLES:
        if environment.get(name, "").isdigit():
            return int(environment[name])
    raise UserError(
        f"none of {', '.join(RANK_VARIABLES)} is set, so it is not known which GPU this rank has; "
        "start it with torchrun --no-python, srun, mpirun, or python -m training.launch sagemaker"
    )


def visible(gpus: Sequence[Device], environment: Mapping[str, str]) -> list[Device] | None:
    """Return the GPUs that CUDA shows to this rank, None where only the driver can tell."""
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return list(gpus)
    found = []
    for part in chosen.split(","):
        index = part.strip()
        if index.startswith(("GPU-", "MIG-")):
            return None
        if not index.isdigit() or int(index) >= len(gpus):
            break  # CUDA shows none from the first bad index on
        found.append(gpus[int(index)])
    return found


def binding(topology: Topology, environment: Mapping[str, str], allowed: frozenset[int]) -> Binding:
    """Return where a rank is to run.

    Raises:
        UserError: If no launcher said which rank this is.
    """
    rank = local_rank(environment)
    shown = visible(topology.gpus, environment)
    if shown is None:
        why_not = "CUDA_VISIBLE_DEVICES names GPUs by UUID"
    elif not shown:
        why_not = "no GPU is visible"
    elif len(shown) > 1 and rank >= len(shown):
        why_not = f"there are {len(shown)} GPUs"
    else:
        # A scheduler that gives every rank one GPU leaves it at index 0.
        gpu = shown[rank if len(shown) > 1 else 0]
        return _near(topology, gpu, rank, allowed)
    return Binding(rank, f"local rank {rank}: {why_not}, so it is not bound")


def _near(topology: Topology, gpu: Device, rank: int, allowed: frozenset[int]) -> Binding:
    near, why = topology.cards_of(gpu)
    names = tuple(card.name for card in near)
    network = f"{', '.join(names)} ({why})" if names else f"no card ({why})"
    wanted = gpu.cpus & allowed
    parts = [f"local rank {rank}: GPU {gpu.name}"]
    if gpu.numa_node is None:
        parts.append("the machine does not tell its NUMA node, so CPUs stay as they are")
    elif not wanted:
        parts.append(
            f"the scheduler gave CPUs {listed(allowed)}, none of NUMA node {gpu.numa_node} "
            f"({listed(gpu.cpus)}), so they stay as they are"
        )
    else:
        parts.append(f"NUMA node {gpu.numa_node}, CPUs {listed(wanted)}")
    parts.append(network)
    return Binding(rank, "; ".join(parts), gpu, wanted, gpu.numa_node if wanted else None, names)


def prefer_memory(numa_node: int) -> bool:
    """Have memory of this process come from a NUMA node while it has any; exec keeps that.

    Returns:
        Whether libnuma is there and did it.
    """
    try:
        numa = ctypes.CDLL("libnuma.so.1")
        if numa.numa_available() < 0:
            return False
        numa.numa_set_preferred(ctypes.c_int(numa_node))
    except (OSError, AttributeError):
        return False
    return True


def run(command: Sequence[str], topology: Topology | None = None) -> int:
    """Bind this process and become the command; returns only where that cannot be."""
    if not command:
        raise UserError("there is no command; write python -m training.launch rank -- COMMAND")
    environment = {**of_torch(), **os.environ, **rank_variables(os.environ)}
    allowed = frozenset(os.sched_getaffinity(0))
    bound = binding(topology or Topology(), environment, allowed)
    said = bound.said
    if bound.cpus:
        try:
            os.sched_setaffinity(0, bound.cpus)
        except OSError as error:
            said += f"; the machine refused the CPUs: {error.strerror}"
    if bound.numa_node is not None and not prefer_memory(bound.numa_node):
        said += "; memory stays where Linux puts it (no libnuma)"
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    # One node tells for all; what is unusual is told everywhere.
    rank = environment.get("RANK", environment.get("SLURM_PROCID", str(bound.local_rank)))
    if rank == str(bound.local_rank) or not bound.cpus:
        sys.stderr.write(f"rank {rank}: {said}\n")
        sys.stderr.flush()
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
    return CANNOT_RUN
