"""Where environments of jobs are written in templates, and what is left open."""

import base64
import json
from typing import Any

import pytest

from tests.rules.rule_cases import said, verdict


def template(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}}}


STATES = {
    "StartAt": "Train",
    "States": {
        "Train": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Parameters": {"Environment": {"RDMAV_FORK_SAFE": "1"}},
            "End": True,
        }
    },
}


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (
            "AWS::Batch::JobDefinition",
            {"ContainerProperties": {"Environment": [{"Name": "RDMAV_FORK_SAFE", "Value": "1"}]}},
        ),
        ("AWS::StepFunctions::StateMachine", {"DefinitionString": json.dumps(STATES)}),
        ("AWS::SageMaker::TrainingJob", {"Environment": {"RDMAV_FORK_SAFE": 1}}),
    ],
)
def test_every_place_that_starts_jobs_is_read(kind, properties):
    """AWS Batch, state machines, and SageMaker's own type."""
    assert "FABRIC-27" in said(verdict(template(kind, properties)))


def user_data(*lines: str) -> dict[str, Any]:
    script = "\n".join(("#!/bin/bash", *lines))
    encoded = base64.b64encode(script.encode()).decode()
    return template("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {"UserData": encoded}})


def test_user_data_counts_where_it_lasts():
    """An export ends with the boot script; a line of /etc/environment reaches every job."""
    lasting = user_data("cat >>/etc/environment <<E", "RDMAV_FORK_SAFE=1", "E")
    assert "FABRIC-27" in said(verdict(lasting))
    assert "FABRIC-27" not in said(verdict(user_data("export RDMAV_FORK_SAFE=1")))


def test_a_parameter_leaves_the_value_open_and_the_name_not():
    """Cannot tell of NCCL_PROTO; RDMAV_FORK_SAFE is wrong with any value."""
    body = template(
        "AWS::SageMaker::TrainingJob",
        {"Environment": {"NCCL_PROTO": {"Ref": "Any"}, "RDMAV_FORK_SAFE": {"Ref": "Any"}}},
    ) | {"Parameters": {"Any": {"Type": "String"}}}
    judged = verdict(body)
    assert {"FABRIC-27"} == {r for r in said(judged) if r.startswith("FABRIC-2")}
    assert {"FABRIC-26", "FABRIC-27"} <= {unknown.rule for unknown in judged.unknown}


def test_what_only_old_plugins_lack_is_left_open_without_a_version():
    """Neither passed nor failed; an image's own statement settles it."""
    names = {"NCCL_NET_PLUGIN": "ofi"}
    judged = verdict(template("AWS::SageMaker::TrainingJob", {"Environment": names}))
    assert [u.because for u in judged.unknown if u.rule == "FABRIC-22"] == [
        "nothing states the version of aws-ofi-nccl"
    ]
    names["EFA_INSTALLER_VERSION"] = "1.51.0"
    judged = verdict(template("AWS::SageMaker::TrainingJob", {"Environment": names}))
    assert not [u for u in judged.unknown if u.rule == "FABRIC-22"]
