"""Where environments of jobs are written in templates, and what is left open."""

import base64
import json
from typing import Any

import pytest

from tests.rules.rule_cases import said, verdict


def template(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}}}


HARM = [{"name": "RDMAV_FORK_SAFE", "value": "1"}, {"name": "FI_PROVIDER", "value": "efa"}]
NAMES = [{"Name": entry["name"], "Value": entry["value"]} for entry in HARM]
POD = {"kind": "Pod", "spec": {"containers": [{"name": "a", "env": HARM}]}}
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
        ("AWS::ECS::TaskDefinition", {"ContainerDefinitions": [{"Environment": NAMES}]}),
        ("AWS::Batch::JobDefinition", {"ContainerProperties": {"Environment": NAMES}}),
        (
            "AWS::Batch::JobDefinition",
            {"EksProperties": {"PodProperties": {"Containers": [{"Env": NAMES}]}}},
        ),
        ("Custom::AWSCDK-EKS-KubernetesResource", {"Manifest": json.dumps([POD])}),
        ("AWS::StepFunctions::StateMachine", {"DefinitionString": json.dumps(STATES)}),
        ("AWS::SageMaker::TrainingJob", {"Environment": {"RDMAV_FORK_SAFE": 1}}),
    ],
)
def test_every_place_that_starts_jobs_is_read(kind, properties):
    """ECS, Batch on EC2 and on EKS, manifests of a CDK app, state machines, SageMaker."""
    assert "FABRIC-27" in said(verdict(template(kind, properties)))


def test_containers_that_ask_for_efa_are_given_devices():
    """In the words of each service; a claim of Kubernetes is another manifest's matter."""

    def pod(resources: dict[str, Any]) -> dict[str, Any]:
        manifest = {"kind": "Pod", "spec": {"containers": [{"env": HARM, "resources": resources}]}}
        kind = "Custom::AWSCDK-EKS-KubernetesResource"
        return template(kind, {"Manifest": json.dumps([manifest])})

    assert "FABRIC-33" in said(verdict(pod({"limits": {"nvidia.com/gpu": 8}})))
    assert "FABRIC-33" not in said(verdict(pod({"limits": {"vpc.amazonaws.com/efa": 4}})))
    assert "FABRIC-33" not in said(verdict(pod({"claims": [{"name": "efa"}]})))


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
