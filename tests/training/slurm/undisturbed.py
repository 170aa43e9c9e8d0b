"""The shipped program in some processes of this machine, without a scheduler.

    python -m tests.training.slurm.undisturbed RANKS RECIPE

PyTorch is imported once and the ranks are forked, which is most of the time that a run takes here.
"""

import os
import sys

from tests.training.slurm.cluster import free_ports
from training.train import main


def rank(index: int, ranks: int, recipe: str) -> int:
    """Run one rank, as torchrun would start it on nodes of one process each."""
    world = {"RANK": index, "WORLD_SIZE": ranks, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    os.environ.update({name: str(value) for name, value in world.items()})
    return main([recipe])


if __name__ == "__main__":
    ranks, recipe = int(sys.argv[1]), sys.argv[2]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_ports(1)[0])}
    children = []
    for index in range(ranks):
        child = os.fork()
        if child == 0:
            os._exit(rank(index, ranks, recipe))
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(max(statuses))
