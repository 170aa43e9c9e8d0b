"""One Slurm for all tests that ask for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.slurm.cluster import NODES, SPARE, Slurm, whole
from tests.training.slurm.jobs import Job
from tests.training.slurm.machine import Machine
from training import prepare

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Mark what asks for the Slurm below as needing the program."""
    for item in items:
        if item.path.is_relative_to(HERE) and "session" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs("slurm"))


@pytest.fixture(scope="session")
def machine(tmp_path_factory) -> Machine:
    """What the prolog looks at on each node."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for node in (*NODES, *SPARE):
        machine.mend(node)
    return machine


@pytest.fixture(scope="session")
def session(machine: Machine, tmp_path_factory) -> Iterator[Slurm]:
    """A Slurm whose prolog is the shipped one."""
    with Slurm(tmp_path_factory.mktemp("slurm"), machine.prolog) as slurm:
        yield slurm


@pytest.fixture
def slurm(session: Slurm) -> Iterator[Slurm]:
    """The cluster with four idle nodes, before a test and after it."""
    with whole(session):
        yield session


@pytest.fixture(scope="session")
def tokens(tmp_path_factory) -> Path:
    """Text to train on."""
    folder = tmp_path_factory.mktemp("text") / "tokens"
    assert prepare.main(["--out", str(folder), "--sample"]) == 0
    return folder


@pytest.fixture
def job(slurm: Slurm, tokens: Path, tmp_path: Path) -> Job:
    """The shipped job script in a folder of its own, as a user has it."""
    return Job(slurm, tmp_path, tokens)
