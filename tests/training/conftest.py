"""The worlds, each run once for all tests; see world.py."""

import json

import pytest

from tests.training.training_cases import python
from training import prepare


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A folder with tokens, in which the worlds leave what they saw."""
    folder = tmp_path_factory.mktemp("training")
    assert prepare.main(["--out", str(folder / "tokens"), "--sample"]) == 0
    return folder


@pytest.fixture(scope="session")
def worlds(work):
    """What worlds of 1, 4, 2 and 8 ranks saw; 4 comes early, for it writes the checkpoints."""
    sizes = (1, 4, 2, 8)
    done = python("-m", "tests.training.world", str(work), *map(str, sizes))
    said = {
        size: path.read_text() for size in sizes if (path := work / f"world-{size}.txt").exists()
    }
    assert done.returncode == 0, done.stdout + said[[*said][-1]][-5000:]
    return {
        size: {**json.loads((work / f"world-{size}.json").read_text()), "said": said[size]}
        for size in sizes
    }
