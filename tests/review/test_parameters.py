"""Every part of a review reads the templates with the parameters that were given."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.review.subjects import reviewed
from ultracluster.cli import main
from ultracluster.review.changes.change import Danger

CLOSED = "s3:GetObject"
OPENS = {"Fn::If": ["IsOpen", "s3:*", CLOSED]}


def policy(action: Any) -> dict[str, Any]:
    """Return a template with a parameter and a role whose policy allows an action."""
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "ec2.amazonaws.com"},
    }
    return {
        "Parameters": {"Open": {"Type": "String", "Default": "no", "AllowedValues": ["yes", "no"]}},
        "Conditions": {"IsOpen": {"Fn::Equals": [{"Ref": "Open"}, "yes"]}},
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Statement": [trust]},
                    "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [statement]}}],
                },
            }
        },
    }


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Return the command that compares the policy with one that never opens."""
    for name, action in (("new", OPENS), ("old", CLOSED)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "S.json").write_text(json.dumps(policy(action)))
    return [
        "review",
        str(tmp_path / "new" / "S.json"),
        *("--baseline", str(tmp_path / "old" / "S.json")),
        *("--output", str(tmp_path / "out"), "--format", "json"),
        *("--fail-on", "loosens-security"),
    ]


def test_a_parameter_that_opens_a_policy_fails_the_pipeline(given: list[str]):
    """What is deployed with `Open=yes` is open, whatever the default of `Open` is."""
    assert main([*given, "--parameter", "Open=yes"]) == 1
    assert main([*given, "--parameter", "Open=no"]) == 0
    assert main(given) == 0


def test_a_statement_is_said_as_the_parameter_makes_it(given: list[str], tmp_path: Path):
    """The page must not show the default where something else is deployed."""
    main([*given, "--parameter", "Open=yes"])
    found = json.loads((tmp_path / "out" / "S.json.json").read_text())
    (own,) = [s for s in found["statements"] if s["kind"] == "identity"]
    assert "s3:*" in json.dumps(own) or "everything in s3" in own["sentence"], own


def exporting(condition: str | None, holds_for: str) -> dict[str, Any]:
    """Return a template that exports a topic, under a condition or always."""
    output = {"Value": {"Ref": "Topic"}, "Export": {"Name": "topic"}}
    return {
        "Parameters": {"Open": {"Type": "String", "Default": "no"}},
        "Conditions": {"Shared": {"Fn::Equals": [{"Ref": "Open"}, holds_for]}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Topic": {**output, **({"Condition": condition} if condition else {})}},
    }


@pytest.mark.parametrize("before", [exporting(None, "no"), exporting("Shared", "yes")])
def test_an_export_that_the_parameter_takes_away_fails(before: dict[str, Any], tmp_path: Path):
    """CloudFormation keeps what a stack imports; it was called a harmless change of an output."""
    imported = {"TopicArn": {"Fn::ImportValue": "topic"}, "Protocol": "sqs", "Endpoint": "q"}
    reader = {"Type": "AWS::SNS::Subscription", "Properties": imported}
    for folder, template in (("old", before), ("new", exporting("Shared", "no"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "A.json").write_text(json.dumps(template))
        reading = {"Resources": {"Reader": reader}}
        (tmp_path / folder / "B.json").write_text(json.dumps(reading))

    def exports(value: str) -> list[str]:
        new, old = str(tmp_path / "new"), str(tmp_path / "old")
        found = reviewed([new], old, parameters={"Open": value}).changes
        return [c.what for c in found if Danger.FAILS in c.dangers and c.resource == "Outputs"]

    (fails,) = exports("yes")
    assert "B imports the export Topic that is removed" in fails
    assert exports("no") == []


@pytest.mark.parametrize("before", [{}, {"Mail": {"Type": "String", "Default": "x"}}])
def test_a_parameter_without_default_fails_only_where_nobody_gives_it(
    before: dict[str, Any], tmp_path: Path
):
    """Whoever reviews with `--parameter` deploys with it."""
    for folder, declared in (("old", before), ("new", {"Mail": {"Type": "String"}})):
        (tmp_path / folder).mkdir()
        template = {"Parameters": declared, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}
        (tmp_path / folder / "S.json").write_text(json.dumps(template))

    def worst(**parameters: str) -> Danger:
        new, old = str(tmp_path / "new"), str(tmp_path / "old")
        (change,) = reviewed([new], old, parameters=parameters).changes
        return change.worst

    assert worst() is Danger.FAILS
    assert worst(Mail="a@example.com") is Danger.HARMLESS
