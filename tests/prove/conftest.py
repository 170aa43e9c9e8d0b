"""`staging` deployed to an emulated AWS, behind an endpoint that can refuse."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from environments.staging import STAGING
from tests.made_before import copied
from tests.preflight.front import Front
from tests.rehearse.conftest import Deployed, Deployer
from ultracluster import synthesis
from ultracluster.emulator.process import Emulator


@dataclass
class Proved:
    """A deployed `staging`, and the endpoint that the command reaches."""

    deployed: Deployed
    front: Front


@dataclass
class Staged:
    """An emulated AWS, and what deploys `staging` to it."""

    emulator: Emulator
    deployer: Deployer
    front: Front
    assembly: Path


@pytest.fixture(scope="session")
def staged(assembly: Path) -> Iterator[Staged]:
    """Return an emulated AWS with what deploys to it."""
    with Emulator() as emulator, Front(emulator.endpoint_url, "", emulator.token) as front:
        yield Staged(emulator, Deployer(emulator, assembly), front, assembly)


@pytest.fixture
def empty(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> Staged:
    """Let the command reach an account with nothing in it."""
    staged.front.behave()
    settings = {"AWS_ACCESS_KEY_ID": "999999999999", "AWS_ENDPOINT_URL": staged.front.endpoint_url}
    for name, value in (staged.emulator.environment() | settings).items():
        monkeypatch.setenv(name, value)
    return staged


@pytest.fixture
def templates(empty: Staged, monkeypatch: pytest.MonkeyPatch) -> Staged:
    """Let the command find the templates of `staging` made."""
    made = copied(empty.assembly)
    monkeypatch.setattr(synthesis, "synthesize_command", lambda _: made)
    return empty


@pytest.fixture(scope="session")
def deployed_once(staged: Staged) -> tuple[Deployed, str]:
    """Return a `staging` and its account, which tests leave as it is."""
    deployed = staged.deployer.deploy(STAGING)
    return deployed, f"{staged.deployer._accounts:012d}"


@pytest.fixture
def proved(
    deployed_once: tuple[Deployed, str], empty: Staged, monkeypatch: pytest.MonkeyPatch
) -> Proved:
    """Let the command reach that `staging`."""
    deployed, account = deployed_once
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    return Proved(deployed, empty.front)


@pytest.fixture
def spoiled(empty: Staged, monkeypatch: pytest.MonkeyPatch) -> Proved:
    """Let the command reach a `staging` of its own, which a test may spoil."""
    deployed = empty.deployer.deploy(STAGING)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{empty.deployer._accounts:012d}")
    return Proved(deployed, empty.front)
