"""The wheel of this project, built once in a run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.once import once
from tests.repository import ROOT

LEFT_OUT = (".*", "node_modules", "cdk.out", "build", "dist", "*.egg-info", "__pycache__")


def wheel(factory: pytest.TempPathFactory) -> Path:
    """Return it."""
    (found,) = once(factory, "dist", _build).glob("*.whl")
    return found


def _build(made: Path) -> None:
    sources = made.with_name("sources")
    # setuptools builds in place and would leave its folders in the repository.
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    # With the setuptools that is here, the one of the lock: no environment is made for it.
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(made), str(sources)], check=True)
