"""A protected stack whose first creation failed: the real CDK CLI, before and after `retry`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import botocore.session
import pytest
from aws_cdk import aws_ssm as ssm

from environments.dev import DEV
from ultracluster.aws import Account
from ultracluster.cli import main
from ultracluster.emulator.process import Emulator
from ultracluster.rehearse.cdk import Cdk, CdkError
from ultracluster.rehearse.direct import settled
from ultracluster.retry.command import SAYINGS, FailedStack, lift, stacks

ROOT = Path(__file__).parents[2]
STACK = "dev-Storage"


@dataclass
class Place:
    """An emulated account, and an app of one protected stack."""

    cloud: Account
    cdk: Cdk
    assembly: Path
    faults: Path
    settings: dict[str, str]

    def deploy(self) -> list[str]:
        """Deploy the app by the CLI."""
        options = ("--require-approval", "never", "--app", str(self.assembly), "--ci")
        return self.cdk.run(["deploy", STACK, *options])

    def fail(self, **rule: Any) -> None:
        """Ask for a failure from now on."""
        self.faults.write_text(json.dumps([rule] if rule else []))

    @property
    def stack(self) -> dict[str, Any]:
        """The stack as CloudFormation describes it."""
        found: dict[str, Any] = self.cloud.ask(
            "cloudformation", "describe_stacks", StackName=STACK
        )["Stacks"][0]
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An app that needs no bootstrapping, and an emulated AWS of its own."""
    directory = tmp_path_factory.mktemp("retry")
    app = cdk.App(outdir=str(directory / "cdk.out"))
    stack = cdk.Stack(
        app,
        STACK,
        termination_protection=True,
        synthesizer=cdk.LegacyStackSynthesizer(),
    )
    first = ssm.CfnParameter(stack, "First", type="String", value="one")
    second = ssm.CfnParameter(stack, "Second", type="String", value="one")
    second.add_resource_dependency(first)
    app.synth()
    faults = directory / "faults.json"
    with Emulator(faults=faults) as emulator:
        settings = emulator.environment()
        cloud = Account("us-east-1", settings)
        yield Place(cloud, Cdk(settings), directory / "cdk.out", faults, settings)


@pytest.fixture
def console(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command speak to the emulated account."""
    for name, value in place.settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("console")
def test_a_protected_stack_is_deployed_again_after_a_failed_creation(
    place: Place, capsys: pytest.CaptureFixture[str]
):
    """The likeliest first failure is a file system without capacity; nobody may be stuck there."""
    place.fail(logical_id="^Second$", message="Insufficient capacity")
    with pytest.raises(CdkError, match="Insufficient capacity"):
        place.deploy()
    assert place.stack["StackStatus"] == "ROLLBACK_COMPLETE"
    with pytest.raises(CdkError, match="TerminationProtection is enabled"):
        place.deploy()

    assert main(["retry", "dev"]) == 0
    said = capsys.readouterr().out
    assert f"{STACK} is ROLLBACK_COMPLETE: its first creation failed and was undone" in said
    assert "protection was lifted" in said
    assert "Now: npx cdk deploy 'dev/*'" in said

    place.deploy()
    assert place.stack["StackStatus"] == "CREATE_COMPLETE"
    assert place.stack["EnableTerminationProtection"]
    assert list(stacks(place.cloud, DEV.stack_names)) == []


@pytest.mark.usefixtures("console")
def test_a_stack_that_holds_something_stays_protected(
    place: Place, capsys: pytest.CaptureFixture[str]
):
    """A failed update leaves data in the stack: its protection is nobody's to lift."""
    assert place.stack["StackStatus"] == "CREATE_COMPLETE"
    template = json.loads((place.assembly / f"{STACK}.template.json").read_text())
    for resource in template["Resources"].values():
        resource["Properties"] = {**resource.get("Properties", {}), "Value": "two"}
    rules = [
        {"operation": "update", "logical_id": "^Second$", "message": "no"},
        {"operation": "rollback", "logical_id": "^First$", "message": "not back"},
    ]
    place.faults.write_text(json.dumps(rules))
    changed = {
        "StackName": STACK,
        "TemplateBody": json.dumps(template),
        "Parameters": [],
    }
    place.cloud.ask("cloudformation", "update_stack", **changed)
    assert settled(place.cloud, STACK) == "UPDATE_ROLLBACK_FAILED"

    assert main(["retry", "dev"]) == 1

    said = capsys.readouterr().out
    way_out = f"aws cloudformation continue-update-rollback --stack-name {STACK}"
    assert f"Type: {way_out}" in said
    assert "Now:" not in said
    assert place.stack["EnableTerminationProtection"]
    place.cloud.ask("cloudformation", "continue_update_rollback", StackName=STACK)
    assert settled(place.cloud, STACK) == "UPDATE_ROLLBACK_COMPLETE"
    assert list(stacks(place.cloud, ["other-Storage"])) == []


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "CREATE_COMPLETE", "DELETE_FAILED"])
def test_only_what_was_never_created_loses_its_protection(place: Place, status: str):
    """The function refuses, whoever calls it."""
    with pytest.raises(ValueError, match="its protection guards what it holds"):
        lift(place.cloud, FailedStack(STACK, status, protected=True, held=()))


def test_the_page_names_every_status_that_the_command_knows():
    """Whoever reads CloudFormation's word in the console finds what to type."""
    page = (ROOT / "docs" / "operate" / "failed-deployment.md").read_text()

    assert [name for name in SAYINGS if name not in ("WELL", "OTHER") and name not in page] == []
    ways_out = [each["type"].split("; ")[0] for each in SAYINGS.values() if each.get("type")]
    for way_out in {each for each in ways_out if "describe" not in each}:
        assert way_out.replace("{stack}", "STACK") in page


def test_every_status_that_is_no_operation_under_way_is_known():
    """One that has ended was told to be in progress."""
    model = botocore.session.get_session().get_service_model("cloudformation")
    known = {*SAYINGS, *SAYINGS["WELL"]["statuses"]}
    ended = {name for name in model.shape_for("StackStatus").enum if "_IN_PROGRESS" not in name}

    assert ended - known == set()
