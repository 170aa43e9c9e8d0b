"""A change of a deployed environment: prepared, approved, and executed only as it was approved."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from environments.dev import DEV
from tests.deliver.conftest import Place
from tests.made_before import copied
from ultracluster import synthesis
from ultracluster.aws import Account, caller_of
from ultracluster.cli import main
from ultracluster.deliver.page import page_of
from ultracluster.deliver.plan import execute, prepare, refusals
from ultracluster.drift import drift
from ultracluster.rehearse.direct import update


def retention(place: Place) -> int:
    """Return the days that the flow logs are kept."""
    groups = place.cloud.ask("logs", "describe_log_groups")["logGroups"]
    (found,) = (row for row in groups if "FlowLog" in row["logGroupName"])
    return int(found["retentionInDays"])


def parameter(place: Place) -> str:
    """Return the name of a parameter of the Training stack."""
    resource = place.deployed.deployment.of_type("AWS::SSM::Parameter", "Training")[0]
    return str(resource.physical_id)


@pytest.mark.usefixtures("console")
def test_an_approved_plan_is_executed_and_nothing_before(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Preparing changes nothing; the plan names the one resource that changes."""
    plan = place.prepare()
    stacks = {stack.name: stack for stack in plan.stacks}
    assert plan.problems == []
    assert {name for name, stack in stacks.items() if stack.changes} == {"dev-Network"}
    changes = {change.resource_type: change for change in stacks["dev-Network"].changes}
    # The log group, and what names it.
    assert set(changes) == {"AWS::Logs::LogGroup", "AWS::EC2::FlowLog", "AWS::IAM::ManagedPolicy"}
    assert {change.action for change in changes.values()} == {"Modify"}
    assert retention(place) == DEV.network.flow_log_retention_days

    file = tmp_path / "delivery.json"
    file.write_text(plan.text)
    assert sha256(file.read_bytes()).hexdigest().startswith(plan.mark)
    other = plan.model_copy(update={"stacks": plan.stacks[1:]})
    assert main(["deliver", "execute", str(file), "--approved", other.mark]) == 1
    said = capsys.readouterr().out
    assert f"refused: it is the plan {plan.mark}, and {other.mark} was approved" in said
    assert retention(place) == DEV.network.flow_log_retention_days

    assert main(["deliver", "execute", str(file), "--approved", plan.mark]) == 0
    said = capsys.readouterr().out
    assert "dev-Network: UPDATE_COMPLETE" in said
    assert "dev-Cluster: nothing to do" in said
    assert retention(place) == 60

    assert main(["deliver", "execute", str(file), "--format", "json"]) == 1
    again = json.loads(capsys.readouterr().out)
    assert again["executed"] is False
    assert again["refused"][0].startswith("dev-Network: the stack was changed after the plan")
    assert execute(place.cloud, place.prepare(place.before), lambda _: None)
    assert retention(place) == DEV.network.flow_log_retention_days


def test_a_stack_that_drifted_meanwhile_is_refused(place: Place):
    """Somebody's change by hand would be built upon, or undone, unseen by who approved."""
    plan = place.prepare()
    name = parameter(place)
    value = place.cloud.ask("ssm", "get_parameter", Name=name)["Parameter"]["Value"]
    write = {"Name": name, "Type": "String", "Overwrite": True}
    place.cloud.ask("ssm", "put_parameter", Value="by hand", **write)
    (refusal,) = place.refusals(plan)
    assert refusal.startswith("it drifted after the plan was made: dev-Training")
    assert refusal.endswith(f"/Value: {value} -> by hand")

    known = place.prepare()
    assert [str(each) for each in known.drifted] == [refusal.partition("made: ")[2]]
    assert place.refusals(known) == []
    place.cloud.ask("ssm", "put_parameter", Value=value, **write)
    assert drift(place.cloud, "dev-Training") == []


FILE = """
from environments.dev import DEV
network = DEV.network.model_copy(update={"flow_log_retention_days": 60})
LONGER = DEV.model_copy(update={"network": network})
"""


@pytest.mark.usefixtures("console")
def test_the_real_cli_prepares_a_page_three_ways_and_drift_refuses_the_plan(
    place: Place,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """As typed: assets by the CDK CLI, the page that is approved, a change by hand, the refusal."""
    made = copied(place.after)
    monkeypatch.setattr(synthesis, "synthesize_command", lambda _: made)
    environment, plan = tmp_path / "longer.py", tmp_path / "delivery.json"
    environment.write_text(FILE)
    groups = place.cloud.ask("logs", "describe_log_groups")["logGroups"]
    (name,) = (row["logGroupName"] for row in groups if "FlowLog" in row["logGroupName"])
    shorter = {"logGroupName": name, "retentionInDays": 3}
    place.cloud.ask("logs", "put_retention_policy", **shorter)
    bucket = f"cdk-hnb659fds-assets-{place.caller.account}-{DEV.region}"
    stored = {"Bucket": bucket, "Prefix": ""}
    for row in place.cloud.ask("s3", "list_objects_v2", **stored).get("Contents", ()):
        place.cloud.ask("s3", "delete_object", Bucket=bucket, Key=row["Key"])

    assert main(["deliver", "prepare", str(environment), "--output", str(plan)]) == 0
    said = capsys.readouterr().out
    assert "has drifted already: dev-Network" in said
    assert len(place.cloud.ask("s3", "list_objects_v2", **stored)["Contents"]) > 4
    page = (tmp_path / "delivery.md").read_text()
    assert f"plan {sha256(plan.read_bytes()).hexdigest()[:16]}" in page.splitlines()[0]
    (row,) = (line for line in page.splitlines() if line.startswith("| loses data"))
    assert [cell.strip() for cell in row.split("|")[3:6]] == ["`60`", "`7`", "`3`"]
    assert "By hand: logs are kept 3 days instead of 7 days; the delivery writes over it" in row
    html = (tmp_path / "delivery.html").read_text()
    for name, days in (("approved", 60), ("deployed", 7), ("there", 3)):
        assert f'<td><span class="narrow">{name}: </span><code>{days}</code></td>' in html

    place.cloud.ask("logs", "put_retention_policy", **shorter | {"retentionInDays": 5})
    assert main(["deliver", "execute", str(plan)]) == 1
    said = capsys.readouterr().out
    assert "refused: it drifted after the plan was made: dev-Network" in said
    assert "Nothing was executed." in said
    assert retention(place) == 5
    kept = DEV.network.flow_log_retention_days
    place.cloud.ask("logs", "put_retention_policy", **shorter | {"retentionInDays": kept})


@pytest.mark.usefixtures("console")
def test_a_failed_proof_is_on_the_page(place: Place):
    """What CloudFormation cannot see, our own proofs do: a rule that somebody opened by hand."""
    group = place.deployed.deployment.id_at("Network", "Fabric/Resource/Resource")
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    opened = {"GroupId": group, "IpPermissions": [rule | {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}
    place.cloud.ask("ec2", "authorize_security_group_ingress", **opened)
    stage = place.before / "assembly-dev"
    plan = place.prepare(place.before)
    page = page_of(DEV, stage, place.cloud, plan)[".md"]
    (row,) = (line for line in page.splitlines() if line.startswith("| cannot tell"))
    assert "security groups" in row
    place.cloud.ask("ec2", "revoke_security_group_ingress", **opened)
    assert "cannot tell" not in page_of(DEV, stage, place.cloud, plan)[".md"]


@pytest.mark.usefixtures("console")
def test_the_scheduled_look_finds_what_was_changed_by_hand(
    place: Place, capsys: pytest.CaptureFixture[str]
):
    """Exit code 1 with a line, 0 without."""
    assert main(["deliver", "drift", "dev"]) == 0
    assert "dev: no differences in 4 stacks" in capsys.readouterr().out
    name = parameter(place)
    value = place.cloud.ask("ssm", "get_parameter", Name=name)["Parameter"]["Value"]
    write = {"Name": name, "Type": "String", "Overwrite": True}
    place.cloud.ask("ssm", "put_parameter", Value="by hand", **write)
    assert main(["deliver", "drift", "dev", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["drifted"][0].endswith("-> by hand")
    place.cloud.ask("ssm", "put_parameter", Value=value, **write)


def test_a_stack_that_was_updated_meanwhile_is_refused(place: Place):
    """Another deployment came in between: what was approved no longer describes what happens."""
    plan = place.prepare()
    stack = next(each for each in place.deployed.stacks if each.construct_id == "Network")
    template = json.loads(json.dumps(stack.template))
    template["Description"] = "another deployment"
    update(place.cloud, stack.name, template, DEV.region)
    assert "dev-Network: the stack was changed after the plan was made" in place.refusals(plan)
    update(place.cloud, stack.name, stack.template, DEV.region)


def test_a_plan_of_another_template_account_or_change_set_is_refused(place: Place):
    """Whoever edits the file of a plan gets no further."""
    plan = place.prepare()
    network, *others = plan.stacks
    edited = network.model_copy(update={"template": "0" * 64})
    other = plan.model_copy(update={"stacks": (edited, *others)})
    assert place.refusals(other) == [
        "dev-Network: its change set holds another template than the one that was approved"
    ]
    hidden = network.model_copy(update={"changes": network.changes[1:]})
    other = plan.model_copy(update={"stacks": (hidden, *others)})
    assert place.refusals(other) == [
        "dev-Network: its change set changes other resources than the plan says"
    ]
    storage = others[0].model_copy(update={"change_set": network.change_set})
    other = plan.model_copy(update={"stacks": (network, storage, *others[1:])})
    assert f"{storage.name}: its change set is one of dev-Network" in place.refusals(other)
    elsewhere = plan.model_copy(update={"account": "210987654321"})
    assert "prepared in account 210987654321" in place.refusals(elsewhere)[0]
    asked = {"StackName": network.name, "ChangeSetName": network.change_set}
    place.cloud.ask("cloudformation", "delete_change_set", **asked)
    assert place.refusals(plan) == ["dev-Network: its change set is no longer there"]


def test_what_is_not_deployed_yet_is_said(place: Place):
    """The first deployment of a stack needs what the stacks before it export."""
    account = Account(DEV.region, place.settings | {"AWS_ACCESS_KEY_ID": "000000000777"})
    stage = place.after / "assembly-dev"
    plan = prepare(account, caller_of(account, DEV.region), "dev", DEV.region, stage)
    assert len(plan.problems) == 4
    assert plan.problems[0] == (
        "dev-Network: it is not deployed yet; do that first: npx cdk deploy 'dev/Network'"
    )
    assert list(refusals(account, caller_of(account, DEV.region), plan))[:4] == plan.problems


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "environment: Field required"),
        ("[]", "not a plan of `ultracluster deliver prepare`"),
        ("{", "JSON"),
    ],
)
def test_a_file_that_is_no_plan_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
):
    """With what to type instead."""
    file = tmp_path / "plan.json"
    file.write_text(text)
    assert main(["deliver", "execute", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_a_plan_does_not_take_the_name_of_its_page(capsys: pytest.CaptureFixture[str]):
    """The page would be written over the plan."""
    assert main(["deliver", "prepare", "dev", "--output", "delivery.md"]) == 2
    assert "write delivery.json" in capsys.readouterr().err
