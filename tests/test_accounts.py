"""Environments in accounts of their own, and bootstrap stacks of another qualifier."""

import importlib
import json
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from constructs_lib import DeliveryRoles, TrainingEnvironment
from environments.dev import DEV
from ultracluster import aws, synthesis
from ultracluster.aws import Account, Caller
from ultracluster.cli import main
from ultracluster.exit_status import CommandError
from ultracluster.input_files import Sources
from ultracluster.review.baseline import deployed
from ultracluster.review.subject import Subject

OURS, OTHER = "111122223333", "444455556666"
FILE = f"""
from environments.ultracluster import ULTRACLUSTER
from ultracluster.spec.environment import EnvironmentSpec
PROD = EnvironmentSpec(**{{**dict(ULTRACLUSTER), "name": "prod", "account": "{OURS}"}})
"""
COMMANDS = {
    "preflight": ["preflight", "{}"],
    "prove": ["prove", "{}"],
    "prepare": ["deliver", "prepare", "{}"],
    "drift": ["deliver", "drift", "{}"],
    "retry": ["retry", "{}"],
    "waste": ["waste", "{}"],
    "capacity": ["capacity", "{}", "--recipe", "gpt-1b"],
    "image": ["image", "{}"],
    "list": ["train", "list", "{}"],
    "accept": ["accept", "{}"],
}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the credentials be those of another account."""
    caller = Caller(OTHER, f"arn:aws:iam::{OTHER}:user/somebody")
    monkeypatch.setattr(aws, "caller_of", lambda *_: caller)
    monkeypatch.setattr(Account, "ask", lambda *asked, **_: pytest.fail(f"asked: {asked[1:]}"))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_wrong_account_is_said_before_anything_is_asked(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """With both accounts, and what to do."""
    file = tmp_path / "prod.py"
    file.write_text(FILE)
    assert main([word.format(file) for word in command]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"the environment is for account {OURS}" in said
    assert f"these credentials are of {OTHER}" in said
    assert "AWS_PROFILE" in said


@pytest.mark.usefixtures("elsewhere")
def test_a_review_compares_with_no_other_account():
    """Its stacks of the same name are another environment's."""
    spec = DEV.model_copy(update={"account": OURS})
    subject = Subject("dev", Sources([]), environment="dev", spec=spec)
    with pytest.raises(CommandError, match=f"is for account {OURS}"):
        deployed(subject, DEV.region)


def test_the_stacks_go_to_the_environments_account_and_nowhere_else():
    """The CDK CLI then refuses other credentials by itself."""
    spec = DEV.model_copy(update={"account": OURS})
    stage = TrainingEnvironment(cdk.App(), spec=spec)
    assert stage.account == stage.network.account == stage.cluster.account == OURS
    env = cdk.Environment(account=OTHER, region=DEV.region)
    with pytest.raises(ValueError, match=f"got the account {OTHER}.*is for {OURS}"):
        TrainingEnvironment(cdk.App(), spec=spec, env=env)
    other = TrainingEnvironment(cdk.App(), spec=DEV, env=env)
    assert other.network.account == OTHER


def test_the_pipeline_example_deploys_to_two_accounts_and_asks_before_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As it is, beside nothing of ours: each stack in its environment's account."""
    folder = Path(__file__).parents[1] / "examples" / "pipeline"
    for name in [each for each in sys.modules if each.partition(".")[0] == "stacks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(folder))
    theirs = importlib.import_module("stacks")
    made = cdk.App(outdir=str(tmp_path))
    env = cdk.Environment(account="111122223333", region="us-east-1")
    theirs.PipelineStack(made, "Pipeline", env=env)
    made.synth()
    accounts = {}
    for stage in sorted(tmp_path.glob("assembly-*")):
        artifacts = json.loads((stage / "manifest.json").read_text())["artifacts"].values()
        found = {each["environment"] for each in artifacts if "stack" in each["type"]}
        accounts[stage.name.rpartition("-")[2]] = found
    assert accounts == {
        "research": {"aws://444455556666/us-east-1"},
        "production": {"aws://777788889999/us-east-1"},
    }
    template = json.loads((tmp_path / "Pipeline.template.json").read_text())
    (pipeline,) = (
        each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::CodePipeline::Pipeline"
    )
    stages = {each["Name"]: each["Actions"] for each in pipeline["Stages"]}
    kinds = {name: {a["ActionTypeId"]["Category"] for a in each} for name, each in stages.items()}
    assert "Approval" in kinds["production"]
    assert "Approval" not in kinds["research"]


def test_the_qualifier_of_cdk_json_holds_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What preflight looks for, and what a delivery may assume."""
    assert synthesis.qualifier() == "hnb659fds"
    context = {"@aws-cdk/core:bootstrapQualifier": "team42"}
    (tmp_path / "cdk.json").write_text(json.dumps({"context": context}))
    monkeypatch.setattr(synthesis, "project_folder", lambda: tmp_path)
    assert synthesis.qualifier() == "team42"

    stack = cdk.Stack(cdk.App(context=context), "delivery")
    DeliveryRoles(stack, "Own", repository="owner/name", environment="staging")
    assert "cdk-team42-cfn-exec-role-" in json.dumps(
        assertions.Template.from_stack(stack).to_json()
    )
