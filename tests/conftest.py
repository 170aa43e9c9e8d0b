"""Programs that some tests need and pip cannot bring, by the mark `needs`.

`.ci/run` brings them, and there their absence is a failure. Elsewhere the tests that need them do
not run, and the end of the run says which, and the one command that brings what is missing.
"""

import os
import shutil
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import pytest


@dataclass(frozen=True)
class Program:
    """Something that tests start."""

    executables: tuple[tuple[str, ...], ...]
    """One of each group has to be there."""
    packages: str
    """Debian's, with spaces between them."""

    def is_there(self) -> bool:
        """Return whether this machine has it; daemons lie where only root looks for programs."""
        path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
        return all(any(shutil.which(n, path=path) for n in group) for group in self.executables)


PROGRAMS: Final = {
    "chromium": Program((("chromium", "chromium-browser", "google-chrome"),), "chromium"),
    "slurm": Program(
        (("munged",), ("slurmctld",), ("slurmd",), ("sbatch",)), "slurmctld slurmd slurm-client"
    ),
}
"""By the name in a mark."""
ALL_ARE_THERE: Final = "ULTRACLUSTER_ALL_PROGRAMS"
"""Environment variable of a machine that is meant to have every program."""
MISSING: Final = pytest.StashKey[dict[str, list[str]]]()
"""Tests that did not run, by the packages that they need."""


def pytest_configure(config: pytest.Config):
    config.addinivalue_line("markers", "needs(program): runs where the program is installed")
    missing: dict[str, list[str]] = defaultdict(list)
    config.stash[MISSING] = missing


def pytest_runtest_setup(item: pytest.Item):
    for mark in item.iter_markers("needs"):
        program = PROGRAMS[mark.args[0]]
        if program.is_there():
            continue
        message = f"{mark.args[0]} is not installed; {_command(program.packages)} brings it"
        if os.environ.get(ALL_ARE_THERE):
            pytest.fail(message, pytrace=False)
        item.config.stash[MISSING][program.packages].append(item.nodeid)
        pytest.skip(message)


def pytest_terminal_summary(terminalreporter, config: pytest.Config):
    missing = config.stash[MISSING]
    if not missing:
        return
    count = sum(map(len, missing.values()))
    terminalreporter.section(f"not run: {count} tests need what is not installed", yellow=True)
    for packages, tests in missing.items():
        terminalreporter.line(f"{packages}:")
        for test in tests:
            terminalreporter.line(f"  {test}")
    terminalreporter.line(_command(" ".join(missing)))


def _command(packages: str) -> str:
    return f"sudo apt-get install -y {packages}"
