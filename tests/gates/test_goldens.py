"""What is reviewed is what is deployed."""

import json
from pathlib import Path

import app
from golden.generate import GOLDEN, sheets, templates
from tests.repository import ENVIRONMENTS

KEPT = Path(__file__).parent / "stateful_logical_ids.json"

STATEFUL = {
    "AWS::EC2::CapacityReservation",
    "AWS::EC2::PlacementGroup",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::ECR::Repository",
    "AWS::FSx::DataRepositoryAssociation",
    "AWS::FSx::FileSystem",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::PCS::Cluster",
    "AWS::S3::Bucket",
}


def committed() -> dict[str, bytes]:
    """Return the golden templates of the repository."""
    return {
        path.relative_to(GOLDEN).as_posix(): path.read_bytes()
        for path in GOLDEN.glob("*/*.template.json")
    }


def test_golden_templates_are_what_is_synthesized(assembly: Path):
    """A reviewer sees every change of a template; `make golden` rewrites them."""
    fresh, golden = templates(assembly, ENVIRONMENTS), committed()

    assert sorted(fresh) == sorted(golden)
    assert [name for name in fresh if fresh[name] != golden[name]] == []


def test_golden_cost_sheets_are_what_the_environments_cost():
    """A change that costs money is seen in the same review as the change."""
    golden = {
        path.relative_to(GOLDEN).as_posix(): path.read_bytes() for path in GOLDEN.glob("*/cost.md")
    }

    assert sheets(ENVIRONMENTS) == golden


def test_synthesizing_twice_gives_the_same_bytes(assembly: Path, tmp_path: Path):
    """A template that differs from run to run would deploy a change that nobody made."""
    app.build(ENVIRONMENTS, outdir=str(tmp_path)).synth()

    assert templates(tmp_path, ENVIRONMENTS) == templates(assembly, ENVIRONMENTS)


def test_order_and_number_of_environments_change_no_template(assembly: Path, tmp_path: Path):
    """An environment that is added or removed must not touch the others."""
    app.build((ENVIRONMENTS[-1],), outdir=str(tmp_path)).synth()

    alone, together = templates(tmp_path, ENVIRONMENTS[-1:]), templates(assembly, ENVIRONMENTS)
    assert alone == {name: together[name] for name in alone}


def test_logical_ids_of_stateful_resources_are_frozen():
    """A renamed construct is a new resource: the file system with its data would be replaced.

    The frozen file is changed by hand, with a "Replaces resources" entry in the changelog.
    """
    found = {
        name: {
            logical_id: resource["Type"]
            for logical_id, resource in json.loads(text)["Resources"].items()
            if resource["Type"] in STATEFUL
        }
        for name, text in committed().items()
    }

    assert {name: ids for name, ids in found.items() if ids} == json.loads(KEPT.read_text())
