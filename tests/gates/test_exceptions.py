"""Findings: none is left open, and each that is excused is in the register."""

import json
import re
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3

import app
from tests.repository import ENVIRONMENTS

REGISTER = Path(__file__).parents[2] / "docs" / "exceptions.md"
ROW = re.compile(
    r"^\| `(?P<rule>[^`]+)` \| `(?P<construct>[^`]+)` \| (?P<control>.+) \|$", re.MULTILINE
)
SENTENCE = re.compile(r"[A-Z].{30,}\.", re.DOTALL)


def suppressed(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every acknowledged finding of a report."""
    return [
        violation
        for plugin in report["pluginReports"]
        for violation in plugin.get("suppressedViolations", [])
    ]


def acknowledged(report: dict[str, Any]) -> set[tuple[str, str]]:
    """Return rule and construct of every acknowledged finding, alike for all environments."""
    found = set()
    for violation in suppressed(report):
        rule = violation["ruleName"]
        for environment in ENVIRONMENTS:
            rule = re.sub(
                rf"(::|training-job/|log-stream:){environment.name}-", r"\1<environment>-", rule
            )
            rule = rule.replace(f":{environment.region}:", ":<region>:")
        rule = re.sub(r"(<environment>-\w+:)Exports\w+", r"\1<export>", rule)
        for construct in violation["violatingConstructs"]:
            found.add((rule, construct["constructPath"].partition("/")[2]))
    return found


def test_register_equals_what_is_acknowledged(report: dict[str, Any]):
    """An exception that is not in the register, or no longer needed, is seen at once."""
    register = {(row["rule"], row["construct"]) for row in ROW.finditer(REGISTER.read_text())}

    assert acknowledged(report) == register


def test_every_environment_has_the_same_exceptions(report: dict[str, Any]):
    """An exception of one environment alone would hide behind those of the others."""
    by_environment: dict[str, set[tuple[str, str]]] = {
        environment.name: set() for environment in ENVIRONMENTS
    }
    for violation in suppressed(report):
        for construct in violation["violatingConstructs"]:
            name, _, path = construct["constructPath"].partition("/")
            by_environment[name].add((violation["ruleName"].partition("[")[0], path))

    for environment in ENVIRONMENTS:
        # Homes have a file system where it is asked for, and nowhere else an exception.
        homes = environment.slurm is not None and environment.slurm.home_storage is not None
        own = {e for e in by_environment[environment.name] if e[1].startswith("Storage/Homes/")}
        assert bool(own) is homes
        by_environment[environment.name] -= own
    for slurm in (False, True):
        # Nodes are launched by Slurm or by an Auto Scaling group, each with its own exceptions.
        first, *others = (
            by_environment[e.name] for e in ENVIRONMENTS if (e.slurm is not None) is slurm
        )
        assert all(other == first for other in others)
    elsewhere = {
        frozenset(each for each in found if not each[1].startswith("Cluster/"))
        for found in by_environment.values()
    }
    assert len(elsewhere) == 1


def test_exceptions_stand_beside_what_they_excuse(report: dict[str, Any]):
    """An acknowledgement at an app, a stage or a stack would excuse what nobody has looked at."""
    places = {violation["acknowledgedAt"] for violation in suppressed(report)}

    # environment / stack / construct is the least depth of a construct.
    assert places
    assert all(place.count("/") >= 2 for place in places)


def test_reasons_are_sentences(report: dict[str, Any]):
    """A reason must be something that a reviewer can dispute."""
    for violation in suppressed(report):
        assert SENTENCE.fullmatch(violation["reason"]), violation["reason"]


UNHEARD: Final = {
    ("OPERATE-3", "info", f"{each.name}/{topic}/Topic/Resource")
    for each in ENVIRONMENTS
    if not each.budget.notify
    for topic in ("Network/Budget", "Cluster/Alarms")
}
"""Remarks that stay: an environment that names nobody has topics that wait for a subscriber."""


def test_nothing_is_left_open(report: dict[str, Any]):
    """All rule packs have run over all environments and found nothing unacknowledged."""
    conclusions = {p["pluginName"]: p["conclusion"] for p in report["pluginReports"]}

    assert conclusions == {
        "AwsSolutions": "success",
        "NIST.800.53.R5": "success",
        "UltraCluster": "success",
    }
    assert {
        (v["ruleName"], v["severity"], construct["constructPath"])
        for p in report["pluginReports"]
        for v in p["violations"]
        for construct in v["violatingConstructs"]
    } == UNHEARD


def test_no_fabric_rule_leaves_a_question_open(report: dict[str, Any]):
    """A rule that cannot tell guards nothing; in templates of ours everything can be told."""
    (ours,) = (p for p in report["pluginReports"] if p["pluginName"] == "UltraCluster")

    assert "left open" not in ours.get("metadata", {})


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        pytest.param(
            lambda stack: ec2.CfnInstance(stack, "Fault", instance_type="p9.huge", image_id="x"),
            "CloudFormation Validate",
            id="CDK's own template validation",
        ),
        pytest.param(
            lambda stack: s3.Bucket(stack, "Fault", enforce_ssl=True),
            "AwsSolutions-S1",
            id="AwsSolutions",
        ),
        pytest.param(
            lambda stack: s3.Bucket(stack, "Fault", enforce_ssl=True),
            "NIST.800.53.R5-S3BucketVersioningEnabled",
            id="NIST 800-53 R5",
        ),
        pytest.param(
            lambda stack: ec2.CfnCapacityReservation(
                stack,
                "Fault",
                instance_count=1001,
                instance_type="p4d.24xlarge",
                instance_platform="Linux/UNIX",
                availability_zone_id="use1-az6",
            ),
            "CAPACITY-18",
            id="fabric rules",
        ),
    ],
)
def test_each_gate_stops_a_synthesis(fault, finding, tmp_path: Path):
    """A gate that nothing can fail is no gate."""
    broken = app.build((), outdir=str(tmp_path))
    fault(cdk.Stack(broken, "Broken", env=cdk.Environment(region="us-east-1")))

    with pytest.raises(RuntimeError, match=r"Validation ?[Ff]ailed"):
        broken.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    assert finding in {
        name
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for name in (plugin["pluginName"], violation["ruleName"])
    }


PLANTED = {
    "Network/Fabric/Egress": ("DestinationSecurityGroupId", "sg-0123456789abcdef0"),
    "Storage/Lustre/Resource": ("StorageCapacity", 1300),
    "Cluster/LaunchTemplate/Resource": (
        "LaunchTemplateData.NetworkInterfaces.1.InterfaceType",
        "efa_only",
    ),
}
"""One wrong value each in an environment of ours, by the construct that has it."""


def test_a_fault_in_an_environment_stops_its_synthesis_at_the_construct(tmp_path: Path):
    """Whoever reads the report sees which construct to mend; what is only near it is not named."""
    broken = app.build(ENVIRONMENTS[:1], outdir=str(tmp_path))
    name = ENVIRONMENTS[0].name
    for path, (where, value) in PLANTED.items():
        construct: Any = broken
        for part in (name, *path.split("/")):
            construct = construct.node.find_child(part)
        assert isinstance(construct, cdk.CfnResource)
        construct.add_property_override(where, value)

    with pytest.raises(RuntimeError, match=r"Validation ?[Ff]ailed"):
        broken.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    assert {
        (violation["ruleName"], violation["severity"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    } == {
        ("FABRIC-2", "fatal", f"{name}/Cluster/LaunchTemplate/Resource"),
        ("FABRIC-3", "fatal", f"{name}/Cluster/LaunchTemplate/Resource"),
        ("LUSTRE-1", "fatal", f"{name}/Storage/Lustre/Resource"),
        *(each for each in UNHEARD if each[2].startswith(f"{name}/")),
    }
