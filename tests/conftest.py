"""Programs that some tests need and pip cannot bring, by the mark `needs`.

`.ci/run` brings them, and there their absence is a failure. Elsewhere the tests that need them do
not run, and the end of the run says which, and the one command that brings what is missing.
"""

import gc
import os
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

# An example on a busy machine takes as long as it takes.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
# Nearly all that is imported and collected stays: looking for the rest is a quarter of the time.
gc.disable()


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
    "slurmdbd": Program(
        (("munged",), ("slurmctld",), ("sacctmgr",), ("slurmdbd",), ("mariadbd",)),
        "slurmctld slurm-client slurmdbd mariadb-server",
    ),
    "prometheus": Program((("prometheus",), ("promtool",)), "prometheus"),
    "qemu": Program(
        (("qemu-system-x86_64",), ("mmdebstrap",), ("mke2fs",), ("debugfs",)),
        "qemu-system-x86 mmdebstrap e2fsprogs",
    ),
}
"""By the name in a mark."""
ALL_ARE_THERE: Final = "ULTRACLUSTER_ALL_PROGRAMS"
"""Environment variable of a machine that is meant to have every program."""
INSTALL: Final = "sudo apt-get install -y"
BRINGS: Final = re.compile(rf"Skipped: .* is not installed; {INSTALL} (?P<packages>.+) brings it")
TOGETHER: Final = (
    *("training/slurm", "training", "training/torchtitan"),
    *("accept", "prove", "observe"),
)
"""Folders whose tests keep one process busy at a time, for they start many of their own, or share
an environment that is deployed once in each process."""

LONGEST: Final = (
    *("training/slurm", "rehearse/test_nodes.py", "training", "docs/test_runbooks.py"),
    *("docs/test_commands.py", "training/torchtitan", "accept", "rehearse/test_rehearsal.py"),
    *("observe", "test_wheel.py", "test_examples.py", "prove", "night/test_sample.py"),
    *("deliver/test_deliver.py", "emulator/test_cli.py", "gates/test_where_people_meet_it.py"),
)
"""What takes minutes with few tests: it begins first, so that no process works alone at the end."""


def scope(nodeid: str) -> str:
    """Return what one process runs as a whole: a file, or a folder whose tests stay together."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    folder = file.rpartition("/")[0]
    return folder if folder in TOGETHER else file


def pytest_configure(config: pytest.Config):
    # Workers of pytest-xdist are given the width of a terminal that they do not have.
    os.environ.pop("COLUMNS", None)
    config.addinivalue_line("markers", "needs(program): runs where the program is installed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Hand a file to one of several processes as a whole: its tests share what they set up.

    By marks (`--dist loadgroup`) it cannot be: pytest 9.2 no longer has the attribute that
    pytest-xdist 3.8 writes a test's group into.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  (only where it is asked for)

    class Files(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    # pytest-xdist would begin with those of most tests.
    config.option.loadscopereorder = False
    return Files(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]):
    """Order tests for several processes: the longest first, then those of many tests."""
    if not hasattr(config, "workerinput"):
        return
    counts = Counter(scope(item.nodeid) for item in items)
    places = {name: place for place, name in enumerate(LONGEST)}

    def key(item: pytest.Item) -> tuple[int, int]:
        name = scope(item.nodeid)
        return places.get(name, len(LONGEST)), -counts[name]

    items.sort(key=key)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """Keep what was imported and collected out of sight of the garbage collector.

    It stays to the end, and each walk of the collector, which begins only now, would be over some
    million objects.
    """
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the assembly of all environments, synthesized once in a run."""
    import app  # noqa: PLC0415  (whoever asks for it needs the CDK)
    from tests.once import once  # noqa: PLC0415
    from tests.repository import ENVIRONMENTS  # noqa: PLC0415

    return once(
        tmp_path_factory,
        "assembly",
        lambda folder: app.build(ENVIRONMENTS, outdir=str(folder)).synth(),
    )


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients of AWS that are made from now on ask once: each further attempt waits longer."""
    from botocore.config import Config  # noqa: PLC0415  (few tests need it)

    from ultracluster import aws  # noqa: PLC0415

    once = aws.RETRIES.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    monkeypatch.setattr(aws, "RETRIES", once)


def pytest_runtest_setup(item: pytest.Item):
    for mark in item.iter_markers("needs"):
        program = PROGRAMS[mark.args[0]]
        if program.is_there():
            continue
        message = f"{mark.args[0]} is not installed; {INSTALL} {program.packages} brings it"
        if os.environ.get(ALL_ARE_THERE):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


def pytest_terminal_summary(terminalreporter):
    """Say what did not run, from the reports: the tests may have been other processes'."""
    missing: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("skipped", ()):
        found = BRINGS.match(str(report.longrepr[-1]))
        if found:
            missing[found["packages"]].append(report.nodeid)
    if not missing:
        return
    count = sum(map(len, missing.values()))
    terminalreporter.section(f"not run: {count} tests need what is not installed", yellow=True)
    for packages, tests in sorted(missing.items()):
        terminalreporter.line(f"{packages}:")
        for test in tests:
            terminalreporter.line(f"  {test}")
    terminalreporter.line(f"{INSTALL} {' '.join(sorted(missing))}")
