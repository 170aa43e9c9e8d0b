"""What several test modules need: the layouts, and a way to start the program."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
CASES = [
    (world, partition, tensor)
    for world in (2, 4, 8)
    for partition in (1, 2, 4, 8)
    for tensor in (1, 2)
    if tensor <= partition <= world
]
"""Every world with every partition size, and two tensor ranks wherever they fit."""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository, and return its status and all that it said."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
