"""The worlds, each run once for all tests; see world.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from training import prepare  # noqa: E402

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python with the repository on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A folder with tokens, in which the worlds leave what they saw."""
    folder = tmp_path_factory.mktemp("training")
    assert prepare.main(["--out", str(folder / "tokens"), "--sample"]) == 0
    return folder


@pytest.fixture(scope="session")
def worlds(work):
    """What worlds of 1, 4, 2 and 8 ranks saw; 4 comes early, for it writes the checkpoints."""
    seen = {}
    for size in (1, 4, 2, 8):
        done = python("-m", "tests.training.world", str(size), str(work))
        assert done.returncode == 0, done.stdout[-5000:]
        seen[size] = json.loads((work / f"world-{size}.json").read_text())
        seen[size]["said"] = done.stdout
    return seen
