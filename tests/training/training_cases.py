"""What several test modules need: the layouts, and a way to start the program."""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
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


@cache
def _started() -> subprocess.Popen[str]:
    """Return what forks processes that have PyTorch; it ends with the tests, by its input's end."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.started"],
        cwd=ROOT,
        env=ENVIRONMENT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with `-m` in the repository, and return its status and all that it said."""
    started = _started()
    assert started.stdin
    assert started.stdout
    with tempfile.NamedTemporaryFile("r") as said:
        started.stdin.write(json.dumps([arguments, said.name]) + "\n")
        started.stdin.flush()
        status = int(started.stdout.readline())
        return subprocess.CompletedProcess(arguments, status, said.read())
