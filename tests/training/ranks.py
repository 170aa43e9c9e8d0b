"""Ranks of a training program on this machine, without a launcher.

    python -m tests.training.ranks 2 training.torchtitan.__main__ llama3-smoke --set ...

After their count and the program's module comes what the program takes.
"""

import os
import sys
from importlib import import_module

from tests.training.forked import forked, meeting_place


def ends(count: str, module: str, *words: str) -> list[int]:
    """Run a program on that many ranks, and return how each ended."""
    os.environ |= {**meeting_place(), "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    program = import_module(module)

    def rank(number: int) -> int:
        os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number)}
        return int(program.main(words))

    children = forked(int(count), rank)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    sys.stdout.write(f"ends {ends(*sys.argv[1:])}\n")
