"""What any program promises that this launcher starts; docs/training/contract.md has it in full.

    python -m training.launch progress FOLDER      the step of the newest committed checkpoint

Exit statuses of a program: 0 done, 2 a mistake that the next try would repeat, 74 done without its
last checkpoint, 75 saved after SIGTERM and to be run again; anything else is a failure, after which
it is run again as long as checkpoints become newer.
"""

import re
from pathlib import Path
from typing import Final

METADATA: Final = ".metadata"
"""Written last, by rename, by torch.distributed.checkpoint: a folder that has it is whole."""
TRACKER: Final = "latest_checkpointed_iteration.txt"
"""Megatron-LM's, which names its newest whole checkpoint (megatron/training/checkpointing.py)."""
STEP: Final = re.compile(r"step-(\d+)")


def committed(folder: Path) -> list[int]:
    """Return the steps of the committed checkpoints in a folder, newest first."""
    found = {
        int(match[1])
        for each in folder.glob("step-*")
        if (match := STEP.fullmatch(each.name)) and (each / METADATA).is_file()
    }
    tracker = folder / TRACKER
    if tracker.is_file() and (text := tracker.read_text().strip()).isdigit():
        found.add(int(text))
    return sorted(found, reverse=True)
