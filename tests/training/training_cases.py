"""What several test modules need: the layouts, and a way to start the program."""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
TITAN = str(ROOT / ".venv-torchtitan" / "bin" / "python")
CASES = [
    (world, partition, tensor)
    for world in (2, 4, 8)
    for partition in (1, 2, 4, 8)
    for tensor in (1, 2)
    if tensor <= partition <= world
]
"""Every world with every partition size, and two tensor ranks wherever they fit."""


@cache
def _started(*command: str) -> subprocess.Popen[str]:
    """Return what forks processes that have PyTorch; it ends with the tests, by its input's end."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def python(
    *arguments: str, folder: Path = ROOT, titan: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with `-m`, and return its status and all that it said.

    Args:
        arguments: what follows `python`.
        folder: where it runs.
        titan: whether it has torchtitan, in the environment that has it.
        variables: more for its environment.
    """
    module = ("-m", "tests.training.started")
    titans = (TITAN, "-W", "ignore", *module, "torchtitan")
    started = _started(*titans) if titan else _started(sys.executable, *module)
    assert started.stdin
    assert started.stdout
    with tempfile.NamedTemporaryFile("r") as said:
        asked: list[Any] = [arguments, said.name, str(folder), variables]
        started.stdin.write(json.dumps(asked) + "\n")
        started.stdin.flush()
        status = int(started.stdout.readline())
        return subprocess.CompletedProcess(arguments, status, said.read())
