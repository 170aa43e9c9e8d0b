"""What `cdk drift`, `cdk diagnose` and `cdk refactor` of the pinned CLI do with our stacks."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aws_cdk import CfnResource

import app
from environments.dev import DEV
from tests.rehearse.conftest import Deployed, Deployer
from ultracluster.emulator.process import Emulator
from ultracluster.rehearse.cdk import Cdk, CdkError
from ultracluster.rehearse.direct import update

PARAMETER = "dev/Training/Parameters/instance-type/Resource"


@dataclass
class Place:
    """A deployed `dev`, and its app once more with one construct renamed."""

    deployed: Deployed
    cdk: Cdk
    assembly: Path
    renamed: Path

    def run(self, command: str, *more: str, assembly: Path | None = None) -> str:
        """Run a command of the CDK CLI for all stacks; return what it prints."""
        given = (command, *more, "--app", str(assembly or self.assembly), "dev/*")
        return "\n".join(self.cdk.run(given))

    @property
    def parameter(self) -> tuple[str, str]:
        """The logical id and the name of a parameter that jobs read."""
        listed = self.deployed.cloud.ask(
            "cloudformation", "list_stack_resources", StackName="dev-Training"
        )["StackResourceSummaries"]
        (row,) = (row for row in listed if row["PhysicalResourceId"].endswith("/instance-type"))
        return row["LogicalResourceId"], row["PhysicalResourceId"]

    def write(self, value: str) -> None:
        """Change the parameter by hand."""
        given = {"Name": self.parameter[1], "Type": "String", "Overwrite": True}
        self.deployed.cloud.ask("ssm", "put_parameter", Value=value, **given)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An emulated AWS of its own: a stack policy is never removed again."""
    before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    app.build((DEV,), outdir=str(before)).synth()
    other = app.build((DEV,), outdir=str(after))
    found = other.node.find_child("dev")
    for name in PARAMETER.split("/")[1:]:
        found = found.node.find_child(name)
    assert isinstance(found, CfnResource)
    found.override_logical_id("InstanceType")
    other.synth()
    with Emulator() as emulator:
        deployed = Deployer(emulator, before).deploy(DEV)
        own = {"AWS_ACCESS_KEY_ID": f"{1:012d}", "CDK_DEFAULT_ACCOUNT": f"{1:012d}"}
        yield Place(deployed, Cdk(emulator.environment() | own), before, after)


def test_drift_names_the_property_and_fails_where_it_is_asked_to(place: Place):
    """What it cannot check it counts: most types of these stacks, in the emulator."""
    assert "Number of resources with drift: 0" in place.run("drift", "--fail")
    place.write("by hand")
    with pytest.raises(CdkError, match="by hand"):
        place.run("drift", "--fail")
    place.write(DEV.nodes.instance_type)


def test_diagnose_names_the_construct_that_failed(place: Place):
    """After a rollback, when the terminal of the deployment is long closed."""
    stack = next(each for each in place.deployed.stacks if each.construct_id == "Network")
    template = copy.deepcopy(dict(stack.template))
    logs = (r for r in template["Resources"].values() if r["Type"] == "AWS::Logs::LogGroup")
    next(logs)["Properties"]["RetentionInDays"] = 61
    assert update(place.deployed.cloud, stack.name, template, DEV.region) == (
        "UPDATE_ROLLBACK_COMPLETE"
    )
    said = place.run("diagnose", "--unstable=diagnose")
    assert "dev/Network/Network/FlowLogGroup/Resource" in said
    assert "61 is not a valid" in said
    assert "Stack dev-Storage: no issues found" in said


def test_refactor_moves_a_renamed_construct_and_then_deploys(place: Place):
    """The resource stays; a stack with a stack policy is refused, as AWS refuses it."""
    old, name = place.parameter
    unstable, really = "--unstable=refactor", "--force"
    said = place.run("refactor", unstable, "--dry-run", assembly=place.renamed)
    assert "AWS::SSM::Parameter" in said
    assert place.parameter == (old, name)

    said = place.run("refactor", unstable, really, assembly=place.renamed)
    assert place.parameter == ("InstanceType", name)
    assert "Stack refactor complete" in said
    # Nobody asked for a deployment, and it is one of all stacks.
    assert "Deploying updated stacks to finalize refactor" in said

    policy = '{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}'
    given = {"StackName": "dev-Training", "StackPolicyBody": policy}
    place.deployed.cloud.ask("cloudformation", "set_stack_policy", **given)
    with pytest.raises(CdkError, match="dev-Training has a stack policy"):
        place.run("refactor", unstable, really)
    assert place.parameter == ("InstanceType", name)
