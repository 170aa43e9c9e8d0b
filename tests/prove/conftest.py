"""`staging` deployed to an emulated AWS, behind an endpoint that can refuse."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import app
from environments.staging import STAGING
from tests.preflight.front import Front
from tests.rehearse.conftest import Deployed, Deployer
from ultracluster.emulator.process import Emulator


@dataclass
class Proved:
    """A deployed `staging`, and the endpoint that the command reaches."""

    deployed: Deployed
    front: Front


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Deployer, Front]]:
    """Return an emulated AWS with what deploys to it."""
    assembly = tmp_path_factory.mktemp("prove")
    app.build((STAGING,), outdir=str(assembly)).synth()
    with Emulator() as emulator, Front(emulator.endpoint_url, "") as front:
        yield emulator, Deployer(emulator, assembly), front


@pytest.fixture
def empty(
    staged: tuple[Emulator, Deployer, Front], monkeypatch: pytest.MonkeyPatch
) -> tuple[Emulator, Deployer, Front]:
    """Let the command reach an account with nothing in it."""
    emulator, _, front = staged
    front.behave()
    settings = {"AWS_ACCESS_KEY_ID": "999999999999", "AWS_ENDPOINT_URL": front.endpoint_url}
    for name, value in (emulator.environment() | settings).items():
        monkeypatch.setenv(name, value)
    return staged


@pytest.fixture
def proved(empty: tuple[Emulator, Deployer, Front], monkeypatch: pytest.MonkeyPatch) -> Proved:
    """Return a `staging` in an account of its own, which a test may spoil."""
    _, deployer, front = empty
    deployed = deployer.deploy(STAGING)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{deployer._accounts:012d}")
    return Proved(deployed, front)
