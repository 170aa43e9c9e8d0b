"""An environment as YAML is the one that Python makes, with the same messages and its own lines."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from constructs_lib import LustreSpec, NetworkSpec, NodesSpec
from golden.specs_page import schema
from tests.repository import ROOT
from ultracluster.cli import main
from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.loading import load, load_folder
from ultracluster.spec.recipe import RecipeSpec

MINE = """\
name: mine
region: us-east-1
availability_zone_id: use1-az6
network: {training_subnet_cidrs: [10.0.0.0/24]}
nodes:
  instance_type: p4d.24xlarge
  count: 2
storage:
  deployment_type: SCRATCH_2
  capacity_gib: 1200
  keep_data: false
sagemaker: {instances: 2}
budget: {ceiling_usd_per_day: 2500, price_region: us-west-2}
"""
SAME = EnvironmentSpec(
    name="mine",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(training_subnet_cidrs=("10.0.0.0/24",)),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=2),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    sagemaker=SageMakerSpec(instances=2),
    budget=BudgetSpec(ceiling_usd_per_day=2500, price_region="us-west-2"),
)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(MINE)
    return Path("mine.yaml")


def test_it_is_what_python_makes(mine: Path):
    """Text, numbers, lists, and parts in parts; one file may hold several."""
    assert load(mine, EnvironmentSpec) == (SAME,)

    mine.write_text(f"{MINE}---\n{MINE.replace('mine', 'other')}")
    assert [spec.name for spec in load(mine, EnvironmentSpec)] == ["mine", "other"]


CHECKS = Draft202012Validator(json.loads(schema()))


@pytest.mark.parametrize("path", sorted((ROOT / "examples/environments").glob("*.yaml")), ids=str)
def test_an_editor_takes_what_the_command_takes(path: Path):
    """A red line in a sound file teaches people to look away."""
    documents = [each for each in yaml.safe_load_all(path.read_text()) if each]

    assert [error.message for each in documents for error in CHECKS.iter_errors(each)] == []
    assert CHECKS.is_valid(yaml.safe_load(f"spec: EnvironmentSpec\n{MINE}"))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("count: 2", 'count: "2"'),
        ("count: 2", "count: 0"),
        ("count: 2", "count: 2\n  threads_per_core: true"),
        ("count: 2", "count: 2\n  threads_per_core: 3"),
        ("count: 2", "count: 2\n  image: ami-1"),
        ("count: 2", "cout: 2"),
        ("name: mine", "name: 5"),
        ("name: mine", "name: mine\naccount: 444455556666"),
        ("keep_data: false", 'keep_data: "false"'),
        ("[10.0.0.0/24]", "{a: 10.0.0.0/24}"),
        ("{instances: 2}", "null"),
    ],
)
def test_an_editor_refuses_what_the_command_refuses(mine: Path, right: str, wrong: str):
    text = MINE.replace(right, wrong)
    mine.write_text(text)

    assert main(["check", "mine.yaml"]) != 0
    assert not CHECKS.is_valid(yaml.safe_load(text))


def test_a_folder_holds_both_kinds(mine: Path):
    """A name that is there twice is refused whichever way it is written."""
    folder = Path("environments")
    folder.mkdir()
    mine.rename(folder / "mine.yml")
    assert load_folder(folder, EnvironmentSpec) == (SAME,)

    (folder / "mine.py").write_text(
        "from ultracluster.spec.environment import EnvironmentSpec\n"
        "from ultracluster.spec.loading import load\nfrom pathlib import Path\n"
        "(MINE,) = load(Path('environments/mine.yml'), EnvironmentSpec)\n"
    )
    assert main(["check"]) == 1


def test_a_recipe_is_data_as_well(mine: Path):
    """Which engine is meant is said where two take the same fields."""
    mine.write_text(
        "name: small\nmodel: {layers: 24, width: 2048, heads: 16}\n"
        "data: {global_batch: 256, micro_batch: 8}\nsteps: 200\nnodes: 2\npartition_size: 8\n"
        "engine: {spec: TorchrunEngine, base: gpt-1b}\ncheckpoint: {every_steps: 50}\n"
        "limits: {max_runtime_seconds: 3600}\n"
    )
    (recipe,) = load(mine, RecipeSpec)

    assert (recipe.name, recipe.nodes, type(recipe.engine).__name__) == (
        "small",
        2,
        "TorchrunEngine",
    )


def test_every_problem_has_its_line(mine: Path, capsys: pytest.CaptureFixture[str]):
    """A part's line is that of its first field; all problems are told together."""
    changes = (
        ("count: 2", 'count: "2"'),
        ("1200", "1300"),
        ("az6", "az3"),
        ("ceiling_usd", "cieling_usd"),
    )
    text = MINE
    for change in changes:
        text = text.replace(*change)
    mine.write_text(text)

    assert main(["check", "mine.yaml"]) == 1
    lines = capsys.readouterr().err.splitlines()
    starts = {line.partition(":")[0].removeprefix("ERROR mine."): line for line in lines}
    assert {field: line.rpartition("(")[2] for field, line in starts.items()} == {
        "nodes.count": "mine.yaml:6)",
        "storage.capacity_gib": "mine.yaml:9)",
        "availability_zone_id": "mine.yaml:1)",
        "budget.cieling_usd_per_day": "mine.yaml:13)",
        "budget.ceiling_usd_per_day": "mine.yaml:13)",
    }
    assert "BudgetSpec has no field of that name; write ceiling_usd_per_day" in "".join(lines)
    assert "write 1200 or 2400" in starts["storage.capacity_gib"]


DOUBLED = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1\nb: 2", "mine.yaml:2: expected ',' or ']', but got ':'"),
        ("- 1", "mine.yaml:1: write a mapping with the fields of EnvironmentSpec"),
        ("", "mine.yaml: the file defines no environment"),
        ("name: x\nregion: y\nname: z", "mine.yaml:1: the field is written twice; remove one"),
        # By the limit of Python's calls, or by the number of values, whichever is reached first.
        ("name: &a [*a]", "mine.yaml:"),
        ("foo-bar: 1", "mine.yaml:1: write the name of a field"),
        ("class: 1", "mine.yaml:1: write the name of a field"),
        ("__debug__: 1", "mine.yaml:1: write the name of a field"),
        ("<<: {name: x}", "mine.yaml:1: write the name of a field"),
        (f"a0: &a0 [{'x, ' * 9}x]\n{DOUBLED}", "mine.yaml:2: it stands for more than 20,000 val"),
        (f"name: {'[' * 2000}{']' * 2000}", "mine.yaml: its nesting is too deep"),
        (f"name: {'[' * 60}{']' * 60}", "mine.yaml: its nesting is too deep"),
        ("x" * 200_000, "mine.yaml: it has 0.2 MB; an environment has 0.003 at most"),
        ("name: x\nregion: {a: 1}", "mine.yaml:2: write a value"),
        ("name: !!python/name:os.system ''", "mine.yaml:1: could not determine a constructor"),
        (b"\xff\xfe\x00", "mine.yaml: not UTF-8 text (byte 0)"),
    ],
)
def test_what_is_no_environment_is_one_line(
    mine: Path, capsys: pytest.CaptureFixture[str], text: str | bytes, says: str
):
    """Nothing of the file is run, and nobody sees a stack trace."""
    mine.write_bytes(text if isinstance(text, bytes) else text.encode())

    assert main(["check", "mine.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {says}")


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ("name: cpu", "the fields fit AcceleratedGroupSpec or CpuGroupSpec; say which one with"),
        ("spec: Cpu, name: cpu", "got spec: Cpu; write AcceleratedGroupSpec or CpuGroupSpec"),
    ],
)
def test_two_specs_with_the_same_fields_are_not_guessed(
    mine: Path, capsys: pytest.CaptureFixture[str], group: str, says: str
):
    """A node group without accelerators is asked for by name."""
    groups = f"[{{{group}, instance_type: c7i.8xlarge, count: 4}}]"
    mine.write_text(f"{MINE}slurm:\n  node_groups: {groups}\n")

    assert main(["check", "mine.yaml"]) == 2
    assert f"ERROR mine.yaml:15: {says}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", ["9" * 400, "9" * 5000, ".inf", ".nan", "2026-02-31", "!!int x", '"\\ud800"']
)
def test_a_value_that_python_cannot_hold_is_a_problem_of_its_field(
    mine: Path, capsys: pytest.CaptureFixture[str], value: str
):
    """A number of too many digits, a date that is none, half of a character."""
    mine.write_text(MINE.replace("count: 2", f"count: {value}"))

    assert main(["check", "mine.yaml"]) == 1
    assert "mine.nodes.count: got " in capsys.readouterr().err


@pytest.mark.parametrize("place", ["/dev/zero", "/proc/self/mem", "/nowhere", "mine.yaml"])
def test_what_is_no_file_is_one_line(mine: Path, capsys: pytest.CaptureFixture[str], place: str):
    """A link may lead to what never ends, to what cannot be read, or to itself."""
    mine.unlink()
    mine.symlink_to(place)

    assert main(["check", "mine.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR mine.yaml: ")
