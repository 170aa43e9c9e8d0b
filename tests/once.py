"""What is made once in a run, also where several processes run the tests."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder: the first that asks makes what is in it, and the others wait.

    Args:
        factory: of this process.
        name: of what is made; nobody may change it.
        make: makes the folder, which is not there.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            building = shared / f"{name}.building"
            make(building)
            building.rename(made)
    return made
