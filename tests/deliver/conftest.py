"""A deployed `dev`, for deliveries and for the commands of the CDK CLI."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import app
from environments.dev import DEV
from tests.rehearse.conftest import Deployed, Deployer
from ultracluster.aws import Account, Caller, caller_of
from ultracluster.deliver.plan import Plan, prepare, refusals
from ultracluster.emulator.process import Emulator

LONGER = DEV.model_copy(
    update={"network": DEV.network.model_copy(update={"flow_log_retention_days": 60})}
)
"""`dev` with one changed field, which changes its Network stack alone."""


@dataclass
class Place:
    """A deployed `dev`, and the assembly of the changed one."""

    deployed: Deployed
    caller: Caller
    before: Path
    after: Path
    settings: dict[str, str]

    @property
    def cloud(self) -> Account:
        """Its account."""
        return self.deployed.cloud

    def prepare(self, assembly: Path | None = None) -> Plan:
        """Prepare a delivery, with the templates where the CLI would have published them."""
        stage = (assembly or self.after) / "assembly-dev"
        bucket = f"cdk-hnb659fds-assets-{self.caller.account}-{DEV.region}"
        for manifest in stage.glob("*.assets.json"):
            for asset in json.loads(manifest.read_text())["files"].values():
                if asset["source"]["packaging"] == "file":
                    body = (stage / asset["source"]["path"]).read_bytes()
                    for place in asset["destinations"].values():
                        key = place["objectKey"]
                        self.cloud.ask("s3", "put_object", Bucket=bucket, Key=key, Body=body)
        return prepare(self.cloud, self.caller, "dev", DEV.region, stage)

    def refusals(self, plan: Plan) -> list[str]:
        """Say why a plan may not be executed."""
        return list(refusals(self.cloud, self.caller, plan))


@pytest.fixture(scope="session")
def place(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An emulated AWS with a deployed `dev`, which each test leaves as it found it."""
    after = tmp_path_factory.mktemp("after")
    app.build((LONGER,), outdir=str(after)).synth()
    with Emulator() as emulator:
        deployed = Deployer(emulator, assembly).deploy(DEV)
        own = dict.fromkeys(("AWS_ACCESS_KEY_ID", "CDK_DEFAULT_ACCOUNT"), f"{1:012d}")
        settings = emulator.environment() | own
        caller = caller_of(deployed.cloud, DEV.region)
        yield Place(deployed, caller, assembly, after, settings)


@pytest.fixture
def console(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command speak to the emulated account."""
    for name, value in place.settings.items():
        monkeypatch.setenv(name, value)
