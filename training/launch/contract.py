"""What any program promises that this launcher starts; docs/training/contract.md has it in full.

The launcher asks three things of a program: that it finds its rank in the variables of torchrun,
that a committed checkpoint can be recognised, and that its exit status says whether it is to be run
again.
"""

import contextlib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DONE: Final = 0
FAILED: Final = 1
"""A rank failed, and the next try may go well."""
MISTAKEN: Final = 2
"""The next try would end the same way: settings, tokens or image."""
NOT_FINITE: Final = 65
"""EX_DATAERR: it no longer learns. Running it again would repeat it, so somebody has to look."""
UNSAVED: Final = 74
"""EX_IOERR: it ended, and its last checkpoint could not be written."""
AGAIN: Final = 75
"""EX_TEMPFAIL: it was told to stop, has saved its state, and is to be run again."""
HUNG: Final = 76
"""EX_PROTOCOL: a rank hung, and the run was ended for it."""

METADATA: Final = ".metadata"
"""Written last, by rename, by torch.distributed.checkpoint: a folder that has it is whole."""
STEP: Final = re.compile(r"step-(\d+)")
TRACKER: Final = "latest_checkpointed_iteration.txt"
"""Megatron-LM writes the number of a checkpoint into it once all ranks have written theirs."""
ITERATION: Final = re.compile(rb"\s*(\d{1,18})\s*")

OF_SLURM: Final = {
    "RANK": "SLURM_PROCID",
    "WORLD_SIZE": "SLURM_NTASKS",
    "LOCAL_RANK": "SLURM_LOCALID",
    "LOCAL_WORLD_SIZE": "SLURM_NTASKS_PER_NODE",
    "GROUP_RANK": "SLURM_NODEID",
}

SUSPECTS: Final = "ULTRACLUSTER_SUSPECTS"
"""Names a file, for names of nodes that the next start is to do without."""


def node_name() -> str:
    """Return this node's name, as Slurm knows it where there is one."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def accuse(node: str) -> None:
    """Ask for the next start to do without a node."""
    if os.environ.get(SUSPECTS):
        with contextlib.suppress(OSError), Path(os.environ[SUSPECTS]).open("a") as file:
            file.write(f"{node}\n")


def committed(folder: Path) -> list[int]:
    """Return the steps of the committed checkpoints in a folder, newest first.

    Raises:
        OSError: If the folder is there and cannot be read.
    """
    if not folder.is_dir():
        return []
    found = {
        int(match[1])
        # Not glob(), which takes a folder that cannot be read for an empty one.
        for each in folder.iterdir()
        if (match := STEP.fullmatch(each.name)) and (each / METADATA).is_file()
    }
    tracker = folder / TRACKER
    if tracker.is_file() and (step := ITERATION.fullmatch(tracker.read_bytes())):
        found.add(int(step[1]))
    return sorted(found, reverse=True)


def rank_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what torchrun would have said of this process, where srun has started it."""
    if "RANK" in environment or "SLURM_PROCID" not in environment:
        return {}
    return {name: environment[slurm] for name, slurm in OF_SLURM.items() if slurm in environment}
