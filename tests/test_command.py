"""`ultracluster check` and `python app.py`: what a user's mistakes look like."""

import subprocess
import sys
from pathlib import Path

import pytest

from ultracluster.cli import main

ROOT = Path(__file__).parents[1]

EIGHT_FAULTS = """
from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import CapacityBlockSpec, NodesSpec

BROKEN = EnvironmentSpec(
    name="Broken_Name",
    region="us-east-1",
    availability_zone_id="use1-az3",
    network=NetworkSpec(
        training_subnet_cidrs=("10.0.0.0/20", "10.0.8.0/24"), public_subnet_cidr="10.9.0.0/28"
    ),
    nodes=NodesSpec(
        instance_type="p4d.24xlarge",
        count=65,
        placement_group=False,
        capacity_block=CapacityBlockSpec(capacity_reservation_id="cr-0123456789abcdef0"),
        root_volume_gib=10,
    ),
    storage=LustreSpec(
        deployment_type="PERSISTENT_2",
        capacity_gib=1300,
        per_unit_storage_throughput=300,
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances=4),
    budget=BudgetSpec(ceiling_usd_per_day=10**6, price_region="us-west-2"),
)
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return an environment file with eight faults in four specs."""
    path = tmp_path / "broken.py"
    path.write_text(EIGHT_FAULTS)
    return path


def test_eight_faults_are_eight_lines(broken: Path, capsys: pytest.CaptureFixture[str]):
    """A user mends all of them at once, and none is a stack trace."""
    assert main(["check", str(broken)]) == 1

    *problems, last = capsys.readouterr().err.splitlines()
    assert last == "8 problems; nothing was synthesized."
    assert len(problems) == 8
    for line in problems:
        assert line.startswith("ERROR Broken_Name.")
        assert ": got " in line
        assert "; " in line


def test_the_app_says_the_same(broken: Path):
    """`cdk synth` runs the app: it must end with status 1 and the same eight lines."""
    code = f"import app, sys; sys.exit(app.run({str(broken)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("ERROR Broken_Name.") for line in done.stderr.splitlines()) == 8


def test_check_shows_every_environment(capsys: pytest.CaptureFixture[str]):
    """Without a name, all of them, with what they hold."""
    assert main(["check"]) == 0

    shown = capsys.readouterr().out
    for words in ("dev", "staging", "ultracluster", "4,096", "4,707 of 8,187"):
        assert words in shown


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("this is no Python", "invalid syntax"),
        ("x = undefined_name\n", ":1: NameError: name 'undefined_name' is not defined"),
        ("x = 1\n", "it defines no environment"),
        (None, "no such file"),
    ],
)
def test_a_file_that_holds_no_environment_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
):
    """What is wrong with the file, and where; never a stack trace."""
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)

    assert main(["check", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {path}")
    assert words in line


def test_check_takes_a_file_with_several_environments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """One file may hold a family of environments; a rehearsal alone needs a single one."""
    path = tmp_path / "family.py"
    path.write_text(
        "from environments.dev import DEV\n"
        "A = DEV.model_copy(update={'name': 'aa'})\n"
        "B = DEV.model_copy(update={'name': 'bb'})\n"
    )

    assert main(["check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "aa" in shown
    assert "bb" in shown
    assert "dev" not in shown


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("{bad", ":1: no JSON"),
        ('{"type": "*"}', "it is no list of objects"),
        ('[{"kind": "*"}]', "got kind; a fault has"),
    ],
)
def test_faults_that_cannot_be_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
):
    """A rehearsal that injects nothing would look like one that stood the fault."""
    path = tmp_path / "faults.json"
    if content is not None:
        path.write_text(content)

    assert main(["rehearse", "dev", "--faults", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {path}")
    assert words in line
