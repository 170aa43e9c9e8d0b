"""The plugin in CDK apps: where findings stand, who may excuse them, and how."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2

import app as product
from constructs_lib.ultracluster_rules import UltraClusterRules
from tests.repository import ENVIRONMENTS

REASON = "Two of the four cards are free for another job on the same node."
ENV = cdk.Environment(region="us-east-1")


def application(directory: Path) -> cdk.App:
    app = cdk.App(outdir=str(directory), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(UltraClusterRules())
    return app


def interface(card: int, group: ec2.ISecurityGroup, kind: str) -> Any:
    return ec2.CfnLaunchTemplate.NetworkInterfaceProperty(
        network_card_index=card,
        device_index=1 if card else 0,
        interface_type=kind,
        groups=[group.security_group_id],
    )


def fabric(stack: cdk.Stack, *, both_ways: bool = True) -> ec2.SecurityGroup:
    """Return a group that admits itself, in both directions or inward only."""
    vpc = ec2.Vpc.from_vpc_attributes(
        stack, "Vpc", vpc_id="vpc-0123456789abcdef0", availability_zones=["use1-az6"]
    )
    group = ec2.SecurityGroup(stack, "Fabric", vpc=vpc, allow_all_outbound=not both_ways)
    group.add_ingress_rule(group, ec2.Port.all_traffic())
    if both_ways:
        group.add_egress_rule(group, ec2.Port.all_traffic())
    return group


def template(
    stack: cdk.Stack, group: ec2.ISecurityGroup, *, cards: int = 4, kind: str = "efa"
) -> ec2.CfnLaunchTemplate:
    return ec2.CfnLaunchTemplate(
        stack,
        "Template",
        launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
            instance_type="p4d.24xlarge",
            network_interfaces=[interface(card, group, kind) for card in range(cards)],
            metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(http_tokens="required"),
        ),
    )


def synthesized(app: cdk.App, directory: Path) -> tuple[bool, dict[str, Any]]:
    """Return whether synthesis passed, and what the plugin reported."""
    passed = True
    try:
        app.synth()
    except RuntimeError as error:
        if "alidation" not in str(error):
            raise
        passed = False
    path = directory / "validation-report.json"
    reports = json.loads(path.read_text())["pluginReports"] if path.exists() else []
    mine = [report for report in reports if report["pluginName"] == "UltraCluster"]
    return passed, mine[0] if mine else {"violations": []}


def found(report: dict[str, Any]) -> dict[str, str]:
    """Return the construct of each finding, by rule."""
    return {
        violation["ruleName"]: violation["violatingConstructs"][0]["constructPath"]
        for violation in report["violations"]
    }


def test_one_line_adds_the_rules_to_any_app(tmp_path: Path):
    """A right template passes with nothing reported."""
    app = application(tmp_path)
    stack = cdk.Stack(app, "Cluster", env=ENV)
    template(stack, fabric(stack))

    passed, report = synthesized(app, tmp_path)

    assert passed
    assert report["violations"] == []


def test_a_finding_stands_at_its_construct_and_fails_synthesis(tmp_path: Path):
    """CDK's own construct drops the egress rule without which EFA does not work."""
    app = application(tmp_path)
    stack = cdk.Stack(cdk.Stage(app, "dev"), "Cluster", env=ENV)
    template(stack, fabric(stack, both_ways=False))

    passed, report = synthesized(app, tmp_path)

    assert not passed
    assert found(report) == {"FABRIC-2": "dev/Cluster/Template"}
    (violation,) = report["violations"]
    assert violation["severity"] == "fatal"
    assert "DestinationSecurityGroupId" in violation["suggestedFix"]
    assert "awsome-distributed-ai#546" in violation["ruleMetadata"]["source"]


def test_stacks_of_a_stage_are_judged_together(tmp_path: Path):
    """A group of another stack is known by the reference to it."""
    app = application(tmp_path)
    stage = cdk.Stage(app, "dev")
    network = cdk.Stack(stage, "Network", env=ENV)
    template(cdk.Stack(stage, "Cluster", env=ENV), fabric(network, both_ways=False))

    _, report = synthesized(app, tmp_path)

    assert found(report) == {"FABRIC-2": "dev/Cluster/Template"}


def test_a_nested_stack_is_judged_with_its_parent(tmp_path: Path):
    """Its template is a file beside the parent's, which CDK does not hand to plugins."""
    app = application(tmp_path)
    parent = cdk.Stack(app, "Parent", env=ENV)
    nested = cdk.NestedStack(parent, "Nested")
    template(nested, fabric(nested), kind="efa_only")

    passed, report = synthesized(app, tmp_path)

    assert not passed
    assert found(report)["FABRIC-3"] == "Parent/Nested/Template"


def test_a_warning_is_reported_and_passes(tmp_path: Path):
    """Three cards of four are a choice that somebody may have made."""
    app = application(tmp_path)
    stack = cdk.Stack(app, "Cluster", env=ENV)
    template(stack, fabric(stack), cards=3)

    passed, report = synthesized(app, tmp_path)

    assert passed
    assert found(report) == {"FABRIC-13": "Cluster/Template"}


def acknowledge(construct: Any, rule: str, reason: str = REASON) -> None:
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"UltraCluster::{rule}", reason=reason)
    )


def test_a_finding_is_acknowledged_at_its_construct_with_a_reason(tmp_path: Path):
    """The report keeps rule, reason and place of what was excused."""
    app = application(tmp_path)
    stack = cdk.Stack(app, "Cluster", env=ENV)
    acknowledge(template(stack, fabric(stack), cards=3), "FABRIC-13")

    passed, report = synthesized(app, tmp_path)

    assert passed
    assert report["violations"] == []
    (excused,) = report["suppressedViolations"]
    assert (excused["ruleName"], excused["reason"]) == ("FABRIC-13", REASON)


def test_what_can_never_work_cannot_be_acknowledged(tmp_path: Path):
    """The finding stays, and the attempt is one as well."""
    app = application(tmp_path)
    stack = cdk.Stack(app, "Cluster", env=ENV)
    acknowledge(template(stack, fabric(stack), kind="efa_only"), "FABRIC-3")

    passed, report = synthesized(app, tmp_path)

    assert not passed
    assert {"FABRIC-3", "ACKNOWLEDGEMENT-4"} <= set(found(report))


Scopes = Callable[[cdk.App, cdk.Stage, cdk.Stack, ec2.CfnLaunchTemplate], Any]


@pytest.mark.parametrize(
    ("where", "rule", "reason", "objection", "path"),
    [
        pytest.param(
            lambda _app, _stage, _stack, nodes: nodes,
            "FABRIC-13",
            "Known issue",
            "ACKNOWLEDGEMENT-1",
            "dev/Cluster/Template",
            id="a reason that is no sentence",
        ),
        pytest.param(
            lambda app, _stage, _stack, _nodes: app,
            "FABRIC-13",
            REASON,
            "ACKNOWLEDGEMENT-2",
            "",
            id="at the app",
        ),
        pytest.param(
            lambda _app, stage, _stack, _nodes: stage,
            "FABRIC-13",
            REASON,
            "ACKNOWLEDGEMENT-2",
            "dev",
            id="at a stage",
        ),
        pytest.param(
            lambda _app, _stage, stack, _nodes: stack,
            "FABRIC-13",
            REASON,
            "ACKNOWLEDGEMENT-2",
            "dev/Cluster",
            id="at a stack",
        ),
        pytest.param(
            lambda _app, _stage, _stack, nodes: nodes,
            "FABRIC-12",
            REASON,
            "ACKNOWLEDGEMENT-3",
            "dev/Cluster/Template",
            id="of a finding that is not there",
        ),
        pytest.param(
            lambda _app, _stage, _stack, nodes: nodes,
            "FABRIC-1313",
            REASON,
            "ACKNOWLEDGEMENT-3",
            "dev/Cluster/Template",
            id="of a rule that is not there",
        ),
    ],
)
def test_an_acknowledgement_is_judged_as_well(  # noqa: PLR0917
    where: Scopes, rule: str, reason: str, objection: str, path: str, tmp_path: Path
):
    """An excuse that nobody can dispute, or that excuses too much, hides the next fault."""
    app = application(tmp_path)
    stage = cdk.Stage(app, "dev")
    stack = cdk.Stack(stage, "Cluster", env=ENV)
    nodes = template(stack, fabric(stack), cards=3)
    acknowledge(where(app, stage, stack, nodes), rule, reason)

    passed, report = synthesized(app, tmp_path)

    assert not passed
    assert found(report)[objection] == path


def test_acknowledgements_of_other_rule_packs_are_not_ours_to_judge(tmp_path: Path):
    """An app that adds the rules keeps its own customs for everybody else's."""
    app = application(tmp_path)
    stack = cdk.Stack(app, "Cluster", env=ENV)
    template(stack, fabric(stack))
    cdk.Validations.of(app).acknowledge(
        cdk.Acknowledgment(id="AwsSolutions::AwsSolutions-EC23", reason="later")
    )

    passed, _ = synthesized(app, tmp_path)

    assert passed


def test_what_the_templates_leave_open_is_in_the_report(tmp_path: Path):
    """A question without an answer is no finding, and is not silently passed either."""
    app = application(tmp_path)
    stack = cdk.Stack(app, "Cluster", env=ENV)
    group = ec2.SecurityGroup.from_security_group_id(stack, "Theirs", "sg-0123456789abcdef0")
    template(stack, group, cards=3)

    _, report = synthesized(app, tmp_path)

    assert "sg-0123456789abcdef0 is not in the given templates" in report["metadata"]["left open"]


def test_our_environments_pass_with_the_rules(tmp_path: Path):
    """Zero errors and warnings, in all three."""
    app = product.build(ENVIRONMENTS, outdir=str(tmp_path))
    cdk.Validations.of(app).add_plugins(UltraClusterRules())

    passed, report = synthesized(app, tmp_path)

    assert passed
    assert {violation["severity"] for violation in report["violations"]} <= {"info"}
