"""The wheel of this project, built once in a run, also where several processes run the tests."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

LEFT_OUT = (".*", "node_modules", "cdk.out", "build", "dist", "*.egg-info", "__pycache__")


def wheel(factory: pytest.TempPathFactory) -> Path:
    """Return it; the first that asks builds it, and the others wait."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made = shared / "dist"
    with (shared / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            _build(shared / "sources", made)
    (found,) = made.glob("*.whl")
    return found


def _build(sources: Path, made: Path) -> None:
    # setuptools builds in place and would leave its folders in the repository.
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    # With the setuptools that is here, the one of the lock: no environment is made for it.
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    building = made.with_name("building")
    subprocess.run([*pip, "--wheel-dir", str(building), str(sources)], check=True)
    building.rename(made)
