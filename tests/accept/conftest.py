"""`staging` in an emulated AWS with faked nodes, behind an endpoint that can fall silent."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import app
from environments.staging import STAGING
from tests.accept.fake_node import FakeNodes
from tests.made_before import copied
from tests.preflight.front import Front
from tests.rehearse.conftest import Deployed, Deployer
from ultracluster import synthesis
from ultracluster.accept.journal import Journal
from ultracluster.accept.scene import Scene
from ultracluster.accept.session import STAGES, Session
from ultracluster.aws import Account, caller_of
from ultracluster.emulator.process import Emulator

IMAGE_ID = "ami-0fedcba9876543210"
"""No example: preflight refuses those."""
SPEC = STAGING.model_copy(
    update={
        # The environment's own topic, which it has where nobody is named.
        "budget": STAGING.budget.model_copy(update={"notify": ()}),
        "nodes": STAGING.nodes.model_copy(update={"image": IMAGE_ID}),
        "slurm": STAGING.slurm and STAGING.slurm.model_copy(update={"login_image": IMAGE_ID}),
    }
)
IMAGE = """<DescribeImagesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><imagesSet><item>
<imageId>ami-0fedcba9876543210</imageId><imageState>available</imageState><name>PCS-ready</name>
<architecture>x86_64</architecture><rootDeviceName>{root}</rootDeviceName></item></imagesSet>
</DescribeImagesResponse>"""


@dataclass
class Door(Front):
    """The endpoint of the account; answers what the emulated AWS does not have."""

    nodes: FakeNodes = field(kw_only=True)
    tag_status: str = "Active"
    root_device: str = "/dev/sda1"
    silent: bool = False
    """Whether nobody answers."""
    before: Callable[[str], None] = field(default=lambda _: None)
    """What happens before a call is answered, by the operation's name."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if self.silent:
            request.close_connection = True
            return
        super().answer(request)

    def own(self, name: str, target: str) -> bytes | None:
        """Return the answer to a call that is not passed on."""
        self.before(name)
        if name == "ListCostAllocationTags":
            row = {"TagKey": "ultracluster:environment", "Type": "UserDefined"}
            return json.dumps({"CostAllocationTags": [row | {"Status": self.tag_status}]}).encode()
        if name == "DescribeImages" and not target:
            return IMAGE.format(root=self.root_device).encode()
        return None


@dataclass
class World:
    """A deployed `staging` with a login node."""

    deployed: Deployed
    door: Door
    nodes: FakeNodes
    assembly: Path
    settings: dict[str, str]
    account: Account
    journal: Path
    run: str = ""
    patience: float = 0.02
    said: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """What the nodes have, and the failures of the emulated AWS."""
        return self.nodes.folder

    def break_(self, **what: Any) -> None:
        """Let programs of the nodes fail from now on."""
        self.nodes.broken = what

    def scene(self) -> Scene:
        """Return what the command makes of it, without a synthesis."""
        return Scene(
            spec=SPEC,
            cloud=self.account,
            caller=caller_of(self.account, STAGING.region),
            deployment=type(self.deployed.deployment)(self.account, self.deployed.stacks),
            journal=Journal(self.journal),
            run=self.run,
            user="ubuntu",
            program="/fsx/ultracluster",
            patience=self.patience,
        )

    def accept(self, *names: str, consents: bool = True) -> Session:
        """Run stages."""
        session = Session(self.scene(), self.said.append, lambda _: consents)
        session.run([stage for stage in STAGES if stage.name in names])
        return session

    def left_in_account(self) -> list[str]:
        """Return what a run would leave: nodes, queues, objects, files, jobs that run."""
        cloud = self.deployed.cloud
        bucket = self.deployed.deployment.id_at("Storage", "Data/Resource/Resource")
        versions = cloud.ask("s3", "list_object_versions", Bucket=bucket).get("Versions", [])
        nodes = self.scene().nodes()
        with self.nodes.lock:
            jobs = [dict(job) for job in self.nodes.jobs.values()]
        files = (self.folder / "root" / "fsx").rglob("accept-*")
        return [
            *(row["InstanceId"] for row in nodes),
            *cloud.ask("sqs", "list_queues").get("QueueUrls", []),
            *(row["Key"] for row in versions),
            *(f"job {job['name']}" for job in jobs if job["state"] in ("RUNNING", "PENDING")),
            *(str(path) for path in files if "fsx/data" not in str(path)),
        ]


@pytest.fixture
def reached(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Let the command reach the world as AWS, with its templates."""
    for name, value in world.settings.items():
        monkeypatch.setenv(name, value)
    made = copied(world.assembly)
    monkeypatch.setattr(synthesis, "synthesize_command", lambda _: made)
    return world


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployer, Door, Path]]:
    """Return an emulated AWS whose instances run commands, and the templates of `staging`."""
    folder, assembly = tmp_path_factory.mktemp("nodes"), tmp_path_factory.mktemp("accept")
    app.build((SPEC,), outdir=str(assembly)).synth()
    with (
        FakeNodes(folder) as nodes,
        Emulator(nodes=nodes.runner, faults=folder / "faults.json") as emulator,
        Door(emulator.endpoint_url, emulator.endpoint_url, emulator.token, nodes=nodes) as door,
    ):
        shutil.copytree(folder / "root", folder / "clean")
        yield Deployer(emulator, assembly, accounts=700), door, assembly


@pytest.fixture(scope="session")
def staged(emulated: tuple[Deployer, Door, Path]) -> World:
    """Return `staging`, deployed, with what an account has besides."""
    deployer, door, assembly = emulated
    deployed = deployer.deploy(SPEC)
    account = f"{deployer._accounts:012d}"
    settings = deployer._emulator.environment() | {
        "AWS_ACCESS_KEY_ID": account,
        "AWS_ENDPOINT_URL": door.endpoint_url,
    }
    ask, at = deployed.cloud.ask, deployed.deployment.id_at
    topic = deployed.deployment.of_type("AWS::SNS::Topic")[0].physical_id
    ask("sns", "subscribe", TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    repository = at("Training", "Images/Resource/Resource")
    ask(
        "ecr",
        "put_image",
        repositoryName=repository,
        imageManifest='{"schemaVersion":2}',
        imageTag="v1",
    )
    cluster = ask("pcs", "list_clusters")["clusters"][0]["id"]
    described = ask("pcs", "get_cluster", clusterIdentifier=cluster)["cluster"]
    door.nodes.cloud = deployed.cloud
    door.nodes.account = {
        "custom": described["slurmConfiguration"]["slurmCustomSettings"],
        "bucket": at("Storage", "Data/Resource/Resource"),
        "key": at("Storage", "Key/Resource/Resource"),
        "group": at("Cluster", "Placement/Group"),
    }
    reached = Account(SPEC.region, settings)
    return World(deployed, door, door.nodes, assembly, settings, reached, Path())


@pytest.fixture
def world(staged: World, tmp_path: Path) -> World:
    """Return it as it was at first."""
    door, folder = staged.door, staged.folder
    door.behave()
    door.silent, door.tag_status, door.root_device = False, "Active", "/dev/sda1"
    door.before = lambda _: None
    (folder / "faults.json").unlink(missing_ok=True)
    staged.nodes.forget()
    shutil.rmtree(folder / "root")
    shutil.copytree(folder / "clean", folder / "root")
    staged.journal, staged.said, staged.patience = tmp_path / "journal.json", [], 0.02
    # SageMaker forgets no name of a job.
    staged.run = f"accept-{secrets.token_hex(3)}"
    for row in staged.scene().nodes():
        staged.deployed.cloud.ask("ec2", "terminate_instances", InstanceIds=[row["InstanceId"]])
    return staged
