"""Programs that some tests need and pip cannot bring, by the mark `needs`.

`.ci/run` brings them, and there their absence is a failure. Elsewhere the tests that need them do
not run, and the end of the run says which, and the command that brings them.
"""

import os
import shutil
from collections import defaultdict
from typing import Final

import pytest

PROGRAMS: Final = {
    "chromium": ((("chromium", "chromium-browser", "google-chrome"),), "chromium"),
    "slurm": (
        (("munged",), ("slurmctld",), ("slurmd",), ("sbatch",)),
        "slurmctld slurmd slurm-client",
    ),
}
"""By the name in a mark: the executables, each by its names, of which one is enough, and the Debian
packages."""
SYSTEM: Final = ":/usr/sbin:/sbin"
"""Where daemons are, which is in nobody's PATH but root's."""
ALL_ARE_THERE: Final = "ULTRACLUSTER_ALL_PROGRAMS"
"""Environment variable of a machine that is meant to have every program."""
MISSING: Final = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config):
    config.addinivalue_line("markers", "needs(program): runs where the program is installed")
    missing: dict[str, list[str]] = defaultdict(list)
    config.stash[MISSING] = missing


def pytest_runtest_setup(item: pytest.Item):
    for mark in item.iter_markers("needs"):
        executables, package = PROGRAMS[mark.args[0]]
        if all(any(map(_found, names)) for names in executables):
            continue
        message = f"{mark.args[0]} is not installed; `sudo apt-get install {package}` brings it"
        if os.environ.get(ALL_ARE_THERE):
            pytest.fail(message, pytrace=False)
        item.config.stash[MISSING][package].append(item.nodeid)
        pytest.skip(message)


def _found(executable: str) -> str | None:
    return shutil.which(executable, path=os.environ.get("PATH", "") + SYSTEM)


def pytest_terminal_summary(terminalreporter, config: pytest.Config):
    for package, tests in config.stash[MISSING].items():
        terminalreporter.section(f"not run: {len(tests)} tests need {package}", yellow=True)
        terminalreporter.line(f"sudo apt-get install {package}")
        for test in tests:
            terminalreporter.line(f"  {test}")
