"""Jobs sent to a login node by Systems Manager: an emulated AWS before a real Slurm."""

import json
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.train.requests import VALUES
from tests.training.slurm.cluster import ROOT, SYSTEM_PATH, Slurm, until
from tests.training.slurm.jobs import SCRIPTS
from ultracluster.aws import Account
from ultracluster.catalogue.images import EXAMPLE_IMAGE
from ultracluster.cli import main
from ultracluster.emulator.process import Emulator

UNUSUAL = 'it\'s $HOME; {{ssm:a}} "fsx"'
"""A folder that a text put together carelessly would not survive."""
STEPS = 30
RECIPE = """
from ultracluster.spec.engines import DeepSpeedEngine, TorchrunEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import RecipeSpec

TINY = RecipeSpec(
    name="tiny",
    model=ModelSpec(layers=1, width=32, heads=4, vocabulary=320, sequence=16),
    data=DataSpec(global_batch={batch}, micro_batch=1, directory="tokens"),
    steps={steps},
    nodes={nodes},
    instance_type="{instance_type}",
    partition_size=1,
    engine={engine},
    checkpoint=CheckpointSpec(every_steps=10),
    limits=LimitsSpec(max_runtime_seconds=3600),
    image="v1",
    environment=(("ULTRACLUSTER_FABRIC", "none"), ("OMP_NUM_THREADS", "1"), ("SLURM_WAIT", "2"),
                 ("UNUSUAL", "a, 'b' $c; d")),
)
"""
ENGINE = """TorchrunEngine(base="smoke", settings=(
    ("numerics.dtype", "fp64"), ("numerics.compile", "false"), ("run.print_every", "10")))"""
RUNUSER = """#!/bin/bash
# Without root: says who it would have been, and stays who it is.
[[ $# -eq 4 && $1 == --login && $3 == --command ]] || exit 64
echo "$2" >>"{folder}/users"
exec bash -c "$4"
"""
SHELL = """#!/bin/bash
export PATH="{folder}/bin:{path}" SLURM_CONF="{conf}"
exec /bin/sh -c "$(cat)"
"""


@dataclass
class Road:
    """What a user has: the command, a recipe's file, and the cluster's shared file system."""

    folder: Path
    mount: Path
    slurm: Slurm
    capsys: pytest.CaptureFixture[str]

    def recipe(self, **changes: object) -> str:
        given = {
            "steps": STEPS,
            "nodes": 1,
            "batch": 4,
            "instance_type": "g5.8xlarge",
            "engine": ENGINE,
        }
        path = self.folder / "tiny.py"
        path.write_text(RECIPE.format(**(given | changes)))
        return str(path)

    def train(self, verb: str, *given: str, status: int = 0) -> str:
        """Run `ultracluster train VERB staging --slurm`, and return what it prints."""
        words = ["train", verb, "staging", *given, "--slurm", "--user", "alice.b", "--mount"]
        assert main([*words, str(self.mount), "--region", "us-east-1"]) == status
        told = self.capsys.readouterr()
        return told.err if status else told.out

    def submit(self, *given: str, recipe: str = "") -> str:
        told = self.train("submit", recipe or self.recipe(), *given, "--format", "json")
        return str(json.loads(told)["job"])


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(scope="module")
def login_node(
    session: Slurm, tokens: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Return the folder of an emulated AWS whose one login node has this machine's Slurm."""
    folder = tmp_path_factory.mktemp("login")
    shutil.copytree(tokens, folder / "tokens")
    executable(folder / "bin" / "runuser", RUNUSER.format(folder=folder))
    shell = executable(
        folder / "shell", SHELL.format(folder=folder, path=SYSTEM_PATH, conf=session.conf)
    )
    with Emulator(nodes=shell) as emulator:
        cloud = Account("us-east-1", emulator.environment())
        values = VALUES | {"instance-type": "g5.8xlarge", "slurm-queue": "train"}
        for name, value in values.items():
            path = f"/ultracluster/staging/{name}"
            cloud.ask("ssm", "put_parameter", Name=path, Value=value, Type="String")
        for role in ("node", "login"):
            tags = {"ultracluster:environment": "staging", "ultracluster:role": role}
            cloud.ask(
                "ec2",
                "run_instances",
                ImageId=EXAMPLE_IMAGE,
                InstanceType="m6i.xlarge",
                MinCount=1,
                MaxCount=1,
                TagSpecifications=[
                    {
                        "ResourceType": "instance",
                        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                    }
                ],
            )
        (folder / "settings.json").write_text(json.dumps(emulator.environment()))
        yield folder


@pytest.fixture
def road(
    login_node: Path,
    slurm: Slurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Road:
    """Return the way to a cluster whose shared file system has been prepared."""
    for name, value in json.loads((login_node / "settings.json").read_text()).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("ultracluster.train.display.SECONDS_BETWEEN", 0.1)
    mount = tmp_path / UNUSUAL
    home = mount / "ultracluster"
    shutil.copytree(SCRIPTS, home / "slurm")
    shutil.copytree(login_node / "tokens", mount / "tokens")
    python = f'#!/bin/bash\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n'
    executable(home / "venv" / "bin" / "python", python)
    return Road(tmp_path, mount, slurm, capsys)


def test_a_recipe_trains_on_the_cluster_and_is_followed_to_its_end(road: Road, login_node: Path):
    """Submit, status, logs and list: one command for both roads."""
    number = road.submit()

    assert "COMPLETED" in road.train("status", number, "--wait")
    shown = json.loads(road.train("status", number, "--format", "json"))
    assert (shown["JobName"], shown["JobState"]) == ("staging-tiny", "COMPLETED")
    text = road.train("logs", number)
    assert f"job {number}: done" in text
    assert f"step {STEPS}" in " ".join(text.split())
    assert number in road.train("list")
    metrics = road.mount / "alice.b" / "metrics" / "tiny" / "metrics.jsonl"
    assert json.loads(metrics.read_text().splitlines()[-1])["event"]
    assert list((road.mount / "checkpoints" / "tiny").iterdir())
    assert set((login_node / "users").read_text().split()) == {"alice.b"}


def test_a_long_output_comes_whole_and_in_order_while_the_job_writes(road: Road):
    """Run Command hands back 24,000 characters at a time, and a letter may lie across two."""
    number = road.submit("--run", "long")
    road.slurm.ended(int(number))
    file = road.mount / "alice.b" / "runs" / "long" / f"staging-long-{number}.out"
    text = "".join(f"step {n} verlust für Größe €\n" for n in range(4000))
    file.write_text(text)

    assert road.train("logs", number, "--follow") == text


def test_a_job_is_stopped_and_stays_stopped(road: Road):
    """A number alone says that it is a job of Slurm's."""
    number = road.submit("--run", "stopped", recipe=road.recipe(steps=100_000))
    until("a running job", lambda: road.slurm.job(int(number))["JobState"] == "RUNNING")

    road.train("stop", number)

    assert "CANCELLED" in road.train("status", number, "--wait")
    assert main(["train", "stop", "staging", number, "--region", "us-east-1"]) == 2
    assert "it has ended (CANCELLED)" in road.capsys.readouterr().err


def test_two_jobs_of_one_run_are_refused(road: Road):
    """They would write into the same checkpoints."""
    recipe = road.recipe(steps=100_000)
    number = road.submit("--run", "same", recipe=recipe)

    told = road.train("submit", recipe, "--run", "same", status=1)
    assert f"job {number} is running it" in told


def test_what_slurm_refuses_is_said_in_its_words(road: Road):
    """More nodes than there are."""
    told = road.train("submit", road.recipe(nodes=9, batch=9), status=2)

    assert "Requested node configuration is not available" in told or "Node count" in told


@pytest.mark.parametrize(
    ("given", "changes", "words", "status"),
    [
        (["--image", "v2"], {}, "--image is for SageMaker jobs", 2),
        (["--unattended"], {}, "--unattended is for SageMaker jobs", 2),
        (["--run", "../up"], {}, 'write "up"', 1),
        (["--user", "o'brien; rm -rf /"], {}, "Unix users have small letters", 2),
        (["--user", "-x"], {}, "expected one argument", 2),
        ([], {"instance_type": "g5.12xlarge"}, "the environment's nodes are", 1),
        (
            [],
            {"engine": 'DeepSpeedEngine(program="x.py")'},
            "write TorchrunEngine or TorchtitanEngine",
            1,
        ),
        (["--mount", "/nowhere"], {}, "run training/slurm/prepare.sh once", 2),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_sent(
    road: Road, given: list[str], changes: dict[str, object], words: str, status: int
):
    """What was given, and what to write instead."""
    recipe = road.recipe(**changes)
    words_given = ["train", "submit", "staging", recipe, "--slurm", "--region", "us-east-1"]
    try:
        ended = main([*words_given, "--mount", str(road.mount), *given])
    except SystemExit as error:
        ended = int(error.code or 0)

    (line,) = road.capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ")
    assert words in line
    assert ended == status
    assert not road.slurm.ask("squeue", "--noheader", "--name=staging-tiny", "--format=%A")


def test_an_environment_without_login_nodes_is_told_so(road: Road, monkeypatch: pytest.MonkeyPatch):
    """The tags find a login node of this environment, and no other instance."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000009")
    cloud = Account("us-east-1")
    for name, value in (VALUES | {"slurm-queue": "train"}).items():
        path = f"/ultracluster/staging/{name}"
        cloud.ask("ssm", "put_parameter", Name=path, Value=value, Type="String")

    assert "no login node of it runs" in road.train("list", status=2)


def test_a_dry_run_prints_what_would_be_sent(road: Road):
    """One word a line, as the login node gets them."""
    lines = road.train("submit", road.recipe(), "--dry-run").splitlines()

    assert "--nodes=1" in lines
    assert "--ntasks-per-node=1" in lines
    assert f"checkpoint.path={road.mount}/checkpoints/tiny" in lines
    assert f"data.path={road.mount}/tokens" in lines
