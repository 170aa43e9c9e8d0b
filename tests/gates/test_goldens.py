"""What is reviewed is what is deployed."""

import json
from pathlib import Path

import app
from golden.generate import GOLDEN, dangers, sheets, templates
from tests.repository import ENVIRONMENTS
from ultracluster.review.changes.change import Danger


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


def test_what_golden_templates_are_rewritten_to_is_said_the_worst_first():
    """Who runs `make golden` sees that data is given up, and not only that files differ."""
    golden = {name: text for name, text in committed().items() if name.startswith("ultracluster/")}
    storage = json.loads(golden["ultracluster/Storage.template.json"])
    for resource in storage["Resources"].values():
        if resource["Type"] == "AWS::KMS::Key":
            resource["Properties"]["EnableKeyRotation"] = False
        if resource["Type"] == "AWS::FSx::FileSystem":
            resource["DeletionPolicy"] = "Delete"
            resource["Properties"]["FileSystemTypeVersion"] = "2.12"
    rewritten = golden | {"ultracluster/Storage.template.json": json.dumps(storage).encode()}

    said = list(dangers(golden, rewritten))
    assert said[0].startswith("loses data: ultracluster-Storage LustreF8935BA0 ")
    assert any(
        line.startswith("loosens security: ultracluster-Storage KeyE447D366 EnableKeyRotation: ")
        for line in said
    )
    order = [list(Danger).index(Danger(line.partition(": ")[0])) for line in said]
    assert order == sorted(order)
    assert list(dangers(golden, golden)) == []


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
