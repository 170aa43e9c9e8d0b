"""One deployed environment in an emulated AWS, for all tests of this folder that need one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from environments.dev import DEV
from tests.rehearse.conftest import Deployer
from ultracluster.emulator.process import Emulator
from ultracluster.rehearse.job_proof import rehearsal_recipe
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.train.deployed import read
from ultracluster.train.jobs import Jobs


@dataclass
class Training:
    """A deployed `dev` with an image, and what reaches it."""

    jobs: Jobs
    recipe: RecipeSpec
    settings: dict[str, str]
    faults: Path

    def fail(self, *rules: dict[str, Any]) -> None:
        """Ask for failures from now on."""
        self.faults.write_text(json.dumps(list(rules)))


@pytest.fixture(scope="session")
def deployed(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Training]:
    """Return `dev` with an image in its repository."""
    faults = tmp_path_factory.mktemp("faults") / "faults.json"
    with Emulator(faults=faults) as emulator:
        made = Deployer(emulator, assembly).deploy(DEV)
        settings = emulator.environment() | {"AWS_ACCESS_KEY_ID": "000000000001"}
        jobs = Jobs(made.cloud, read(made.cloud, "dev", DEV.region))
        made.cloud.ask(
            "ecr",
            "put_image",
            repositoryName=jobs.deployed["image-repository-uri"].partition("/")[2],
            imageManifest='{"schemaVersion":2}',
            imageTag="v1",
        )
        recipe = rehearsal_recipe(DEV)
        assert recipe is not None
        yield Training(jobs, recipe.model_copy(update={"image": "v1"}), settings, faults)


@pytest.fixture
def training(deployed: Training, monkeypatch: pytest.MonkeyPatch) -> Training:
    """Return it without faults, and let the command reach it as AWS."""
    deployed.fail()
    for name, value in deployed.settings.items():
        monkeypatch.setenv(name, value)
    return deployed
