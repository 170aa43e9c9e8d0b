"""Environments deployed to the emulated AWS without the CLI, for the proofs to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from environments.ultracluster import ULTRACLUSTER
from tests.repository import ENVIRONMENTS
from ultracluster.aws import Account
from ultracluster.emulator.process import Emulator
from ultracluster.prove.deployment import Deployment, StackTemplate, stack_templates
from ultracluster.rehearse.direct import create, publish, reasons, settled, update
from ultracluster.spec.environment import EnvironmentSpec


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """Return an emulated AWS that ends with the tests."""
    with Emulator() as running:
        yield running


@dataclass
class Deployed:
    """One environment in an account of its own."""

    spec: EnvironmentSpec
    cloud: Account
    stacks: tuple[StackTemplate, ...]

    @property
    def deployment(self) -> Deployment:
        """Return a fresh look at the stacks."""
        return Deployment(self.cloud, self.stacks)


class UpdateFailedError(RuntimeError):
    """A stack that was not updated, and why."""


class Deployer:
    """Creates the stacks of an environment by API calls, as the CLI would."""

    def __init__(self, emulator: Emulator, assembly: Path, accounts: int = 0) -> None:
        self._emulator = emulator
        self._assembly = assembly
        self._accounts = accounts

    def deploy(self, spec: EnvironmentSpec, *, but: str = "") -> Deployed:
        """Deploy into an account that no other test looks at, all stacks but one."""
        self._accounts += 1
        account = f"{self._accounts:012d}"
        settings = self._emulator.environment() | {"AWS_ACCESS_KEY_ID": account}
        cloud = Account(spec.region, settings)
        publish(cloud, spec.region, self._assembly / f"assembly-{spec.name}")
        stacks = stack_templates(self._assembly, spec.name)
        for stack in stacks:
            if stack.construct_id != but:
                self._create(cloud, stack, spec.region)
        return Deployed(spec, cloud, stacks)

    def update(self, deployed: Deployed, spec: EnvironmentSpec) -> Deployed:
        """Update the stacks of an environment to what this deployer's assembly has."""
        stacks = stack_templates(self._assembly, spec.name)
        for before, stack in zip(deployed.stacks, stacks, strict=True):
            if stack.template == before.template:
                continue
            status = update(deployed.cloud, stack.name, stack.template, spec.region)
            if status != "UPDATE_COMPLETE":
                raise UpdateFailedError(f"{status}: {reasons(deployed.cloud, stack.name)}")
        return Deployed(spec, deployed.cloud, stacks)

    def _create(self, cloud: Account, stack: StackTemplate, region: str) -> None:
        create(cloud, stack, region)
        status = settled(cloud, stack.name)
        why = reasons(cloud, stack.name)
        assert status == "CREATE_COMPLETE", f"{stack.name} is {status}: {why}"


@pytest.fixture(scope="session")
def deployer(emulator: Emulator, assembly: Path) -> Deployer:
    """Return what deploys environments."""
    return Deployer(emulator, assembly)


@pytest.fixture(scope="session", params=ENVIRONMENTS, ids=lambda spec: spec.name)
def deployed(request: pytest.FixtureRequest, deployer: Deployer) -> Deployed:
    """Return each environment, deployed and left alone."""
    return deployer.deploy(request.param)


@pytest.fixture
def ultracluster(deployer: Deployer) -> Deployed:
    """Return an `ultracluster` that a test may spoil."""
    return deployer.deploy(ULTRACLUSTER)
