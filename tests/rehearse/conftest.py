"""Environments deployed to the emulated AWS without the CLI, for the proofs to look at."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import app
from environments.ultracluster import ULTRACLUSTER
from tests.repository import ENVIRONMENTS
from ultracluster.aws import Account
from ultracluster.emulator.process import Emulator
from ultracluster.prove.deployment import Deployment, StackTemplate, stack_templates
from ultracluster.spec.environment import EnvironmentSpec

BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"

MOST_BYTES_OF_A_BODY = 51_200
"""CloudFormation API, TemplateBody (botocore 1.44.8)."""


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the assembly of all environments."""
    directory = tmp_path_factory.mktemp("rehearsal")
    app.build(ENVIRONMENTS, outdir=str(directory)).synth()
    return directory


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
        self._assets(cloud, account, spec)
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
            deployed.cloud.ask(
                "cloudformation",
                "update_stack",
                StackName=stack.name,
                **template_of(deployed.cloud, stack, spec.region),
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            status = settled(deployed.cloud, stack.name)
            if status != "UPDATE_COMPLETE":
                raise UpdateFailedError(f"{status}: {reasons(deployed.cloud, stack.name)}")
        return Deployed(spec, deployed.cloud, stacks)

    def _assets(self, cloud: Account, account: str, spec: EnvironmentSpec) -> None:
        cloud.ask("ssm", "put_parameter", Name=BOOTSTRAP_VERSION, Value="30", Type="String")
        bucket = f"cdk-hnb659fds-assets-{account}-{spec.region}"
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": spec.region}}
        home = spec.region == "us-east-1"
        cloud.ask("s3", "create_bucket", Bucket=bucket, **({} if home else elsewhere))
        nested = self._assembly / f"assembly-{spec.name}"
        for manifest in nested.glob("*.assets.json"):
            for asset in json.loads(manifest.read_text())["files"].values():
                source = (nested / asset["source"]["path"]).resolve()
                if asset["source"]["packaging"] == "zip":
                    for place in asset["destinations"].values():
                        cloud.ask(
                            "s3",
                            "put_object",
                            Bucket=bucket,
                            Key=place["objectKey"],
                            Body=zipped(source),
                        )

    def _create(self, cloud: Account, stack: StackTemplate, region: str) -> None:
        cloud.ask(
            "cloudformation",
            "create_stack",
            StackName=stack.name,
            **template_of(cloud, stack, region),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            EnableTerminationProtection=stack.termination_protection,
        )
        status = settled(cloud, stack.name)
        why = reasons(cloud, stack.name)
        assert status == "CREATE_COMPLETE", f"{stack.name} is {status}: {why}"


def template_of(cloud: Account, stack: StackTemplate, region: str) -> dict[str, str]:
    """Return a template as a request holds it: one of more than 51,200 bytes lies in S3."""
    body = json.dumps(stack.template)
    if len(body) <= MOST_BYTES_OF_A_BODY:
        return {"TemplateBody": body}
    account = cloud.ask("sts", "get_caller_identity")["Account"]
    bucket = f"cdk-hnb659fds-assets-{account}-{region}"
    key = f"{stack.name}.template.json"
    cloud.ask("s3", "put_object", Bucket=bucket, Key=key, Body=body.encode())
    return {"TemplateURL": f"https://s3.{region}.amazonaws.com/{bucket}/{key}"}


def settled(cloud: Account, name: str) -> str:
    """Wait until a stack rests, and return its status."""
    deadline = time.monotonic() + 60
    status = "IN_PROGRESS"
    while status.endswith("IN_PROGRESS") and time.monotonic() < deadline:
        time.sleep(0.05)
        answer = cloud.ask("cloudformation", "describe_stacks", StackName=name)
        status = answer["Stacks"][0]["StackStatus"]
    return status


def reasons(cloud: Account, name: str) -> list[str]:
    """Return why resources of a stack failed."""
    events = cloud.ask("cloudformation", "describe_stack_events", StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
    ]


def zipped(directory: Path) -> bytes:
    """Return a directory as the CLI would upload it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(directory.rglob("*")):
            archive.write(path, path.relative_to(directory))
    return content.getvalue()


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
