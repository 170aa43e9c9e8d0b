"""What `cdk drift`, `cdk diagnose` and `cdk refactor` of the pinned CLI do with our stacks."""

import copy
from pathlib import Path

import pytest
from aws_cdk import CfnResource

import app
from environments.dev import DEV
from tests.deliver.conftest import Place
from ultracluster.rehearse.cdk import Cdk, CdkError
from ultracluster.rehearse.direct import update

PARAMETER = ("Training", "Parameters", "instance-type", "Resource")


def cdk(place: Place, command: str, *more: str, assembly: Path | None = None) -> str:
    """Run a command of the CDK CLI for all stacks; return what it prints."""
    given = (command, *more, "--app", str(assembly or place.before), "dev/*")
    return "\n".join(Cdk(place.settings).run(given))


def parameter(place: Place) -> tuple[str, str]:
    """Return the logical id and the name of a parameter that jobs read."""
    asked = ("cloudformation", "list_stack_resources")
    listed = place.cloud.ask(*asked, StackName="dev-Training")["StackResourceSummaries"]
    (row,) = (row for row in listed if row["PhysicalResourceId"].endswith("/instance-type"))
    return row["LogicalResourceId"], row["PhysicalResourceId"]


def write(place: Place, value: str) -> None:
    """Change the parameter by hand."""
    given = {"Name": parameter(place)[1], "Type": "String", "Overwrite": True}
    place.cloud.ask("ssm", "put_parameter", Value=value, **given)


def test_drift_names_the_property_and_fails_where_it_is_asked_to(place: Place):
    """What it cannot check it counts: most types of these stacks, in the emulator."""
    assert "Number of resources with drift: 0" in cdk(place, "drift", "--fail")
    write(place, "by hand")
    with pytest.raises(CdkError, match="by hand"):
        cdk(place, "drift", "--fail")
    write(place, DEV.nodes.instance_type)


def test_diagnose_names_the_construct_that_failed(place: Place):
    """After a rollback, when the terminal of the deployment is long closed."""
    stack = next(each for each in place.deployed.stacks if each.construct_id == "Network")
    template = copy.deepcopy(dict(stack.template))
    logs = (r for r in template["Resources"].values() if r["Type"] == "AWS::Logs::LogGroup")
    next(logs)["Properties"]["RetentionInDays"] = 61
    status = update(place.cloud, stack.name, template, DEV.region)
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    with pytest.raises(CdkError) as caught:
        cdk(place, "diagnose", "--unstable=diagnose")
    assert "dev/Network/Network/FlowLogGroup/Resource" in str(caught.value)
    assert "61 is not a valid" in str(caught.value)
    assert "Stack dev-Storage: no issues found" in str(caught.value)


def test_refactor_moves_a_renamed_construct_and_then_deploys(place: Place, tmp_path: Path):
    """The resource stays, under another logical id, and the other way round."""
    renamed = app.build((DEV,), outdir=str(tmp_path))
    found = renamed.node.find_child("dev")
    for name in PARAMETER:
        found = found.node.find_child(name)
    assert isinstance(found, CfnResource)
    found.override_logical_id("InstanceType")
    renamed.synth()
    old, name = parameter(place)
    unstable, really = "--unstable=refactor", "--force"

    said = cdk(place, "refactor", unstable, "--dry-run", assembly=tmp_path)
    assert "AWS::SSM::Parameter" in said
    assert parameter(place) == (old, name)
    said = cdk(place, "refactor", unstable, really, assembly=tmp_path)
    assert parameter(place) == ("InstanceType", name)
    assert "Stack refactor complete" in said
    # Nobody asked for a deployment, and it is one of all stacks.
    assert "Deploying updated stacks to finalize refactor" in said
    cdk(place, "refactor", unstable, really)
    assert parameter(place) == (old, name)
