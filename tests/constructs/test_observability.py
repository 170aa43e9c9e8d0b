"""Alarms on measurements, and what nodes need to measure."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib import node_programs
from constructs_lib.alarms import Observability
from constructs_lib.node_programs import NodePrograms, digest
from constructs_lib.node_role import NodeRole
from tests.constructs.bare import Surroundings, bare_stack, resources
from ultracluster.catalogue.alarms import alarms
from ultracluster.spec.observability import ObservabilitySpec

TOPIC = f"arn:aws:sns:us-east-1:{1:012d}:alerts"
ALL = ("gpu", "efa", "lustre", "slurm")


def made(spec: ObservabilitySpec, has: tuple[str, ...] = ALL) -> dict[str, dict[str, Any]]:
    stack = bare_stack()
    Observability(stack, "O", spec=spec, environment_name="night", has=has, topics=[TOPIC])
    found = resources(stack, "AWS::CloudWatch::Alarm").values()
    return {each["Properties"]["AlarmName"]: each["Properties"] for each in found}


def test_an_alarm_asks_for_its_own_environment_alone():
    """Metrics of all environments of an account and Region are in one place."""
    for alarm in made(ObservabilitySpec()).values():
        query = alarm["EvaluationCriteria"]["PromQLCriteria"]["Query"]
        assert query.count("ultracluster_") == query.count('environment="night"')
        assert alarm["AlarmActions"] == [TOPIC]
        assert "docs/operate/alarms.md#" in alarm["AlarmDescription"]
        assert len(alarm["AlarmDescription"]) <= 1024


def test_an_alarm_ends_after_two_measurements_without_its_fault():
    for seconds in (15, 60):
        for alarm in made(ObservabilitySpec(every_seconds=seconds)).values():
            criteria = alarm["EvaluationCriteria"]["PromQLCriteria"]
            assert alarm["EvaluationInterval"] == seconds
            assert criteria["RecoveryPeriod"] == 2 * seconds


def test_what_nodes_do_not_have_raises_no_alarm():
    """`absent(...)` of a login node would fire for ever where there is no Slurm."""
    without = made(ObservabilitySpec(), ("efa", "lustre"))

    assert {f"night-{name}" for name, each in alarms().items() if each.needs == "slurm"}.isdisjoint(
        without
    )
    assert "night-disk-full" in without


def test_alarms_can_be_left_out():
    assert "night-memory-short" not in made(ObservabilitySpec(without=("memory-short",)))


def test_what_python_leaves_beside_a_program_is_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nodes would take another asset whenever somebody has run the programs here."""
    (tmp_path / "node" / "__pycache__").mkdir(parents=True)
    (tmp_path / "node" / "__pycache__" / "check.pyc").write_bytes(b"compiled")
    (tmp_path / "node" / "check.py").write_text("pass")
    monkeypatch.setattr(node_programs, "PROGRAMS", tmp_path / "node")
    app = cdk.App(outdir=str(tmp_path / "out"))
    NodePrograms(cdk.Stack(app, "S"), "P", environment_name="night")
    app.synth()

    (asset,) = (tmp_path / "out").glob("asset.*")
    assert [each.name for each in asset.iterdir()] == ["check.py"]


def test_a_node_takes_exactly_the_program_that_was_reviewed():
    """Whoever can write to the bootstrap bucket would otherwise be root on every node."""
    stack = bare_stack()
    around = Surroundings(stack)
    programs = NodePrograms(stack, "P", environment_name="night")
    programs.grant(NodeRole(stack, "NodeRole", bucket=around.bucket, key=around.key).role)
    conf = programs.conf("login").splitlines()

    assert f"PROGRAMS_SHA256={digest()}" in conf
    # Nodes mend themselves unless they are told not to.
    assert "REPAIR=1" in conf
    assert not [line for line in conf if line.startswith("EVERY")]
    (allowed,) = (
        statement
        for policy in resources(stack, "AWS::IAM::ManagedPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Sid"] == "FetchProgram"
    )
    assert allowed["Action"] == "s3:GetObject"
    assert not json.dumps(allowed["Resource"]).rstrip('"]}').endswith("*")
