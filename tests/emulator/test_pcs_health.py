"""PCS's health checks of instances: what its API refuses, and the function that sets them."""

import copy
from functools import partial

import pytest

from tests.emulator import test_pcs_nodes
from tests.emulator.test_functions import ROLE
from tests.emulator.test_pcs_nodes import running
from tests.repository import ROOT
from ultracluster.aws import Account, CloudError
from ultracluster.spec.health_checks import HealthChecksSpec

groups = test_pcs_nodes.groups
CODE = (ROOT / "constructs_lib" / "functions" / "health_checks.py").read_text()
ON = HealthChecksSpec(monitoring_repair_action="REPLACE").request(gpus=False)
OFF = {"healthMonitoring": {"mode": "NONE"}, "deepHealthChecks": {"onStart": {"profile": "NONE"}}}


def checked(groups, version="26.05", checks=ON):
    """Return groups of a Slurm, whose nodes have checks by the shipped function."""
    made = copy.deepcopy(groups)
    made["Cluster"]["Properties"]["Scheduler"]["Version"] = version
    code = {"Runtime": "python3.14", "Handler": "index.handler", "Code": {"ZipFile": CODE}}
    made["LambdaRole"] = ROLE
    role = {"Role": {"Fn::GetAtt": ["LambdaRole", "Arn"]}, "Timeout": 900}
    made["Setter"] = {"Type": "AWS::Lambda::Function", "Properties": code | role}
    if checks:
        made["Checks"] = {
            "Type": "Custom::InstanceHealthChecks",
            "Properties": {
                "ServiceToken": {"Fn::GetAtt": ["Setter", "Arn"]},
                "Cluster": {"Fn::GetAtt": ["Cluster", "Id"]},
                "Group": {"Fn::GetAtt": ["Nodes", "Id"]},
                "InstanceHealthChecks": checks,
            },
        }
    return made


def asked(cloud, stack, operation, **given):
    """Ask PCS about the nodes, as a proof does: by a botocore whose own model lacks the member."""
    account = Account(cloud.region, cloud.emulator.environment())
    names = {"clusterIdentifier": stack.physical_id("Cluster").rpartition("/")[2]}
    names["computeNodeGroupIdentifier"] = stack.physical_id("Nodes").rpartition("/")[2]
    return account.ask("pcs", operation, **names, **given)["computeNodeGroup"]


def found(cloud, stack):
    """Return the checks that PCS has of the nodes."""
    return asked(cloud, stack, "get_compute_node_group").get("instanceHealthChecks")


def test_a_deployment_sets_changes_and_ends_them(cloud, groups):
    """The function really runs. What PCS has is asked for by a botocore that lacks the member."""
    stack = cloud.deploy(checked(groups))
    assert stack.status == "CREATE_COMPLETE", stack.reasons()
    assert found(cloud, stack) == ON
    first = set(running(cloud, stack, "Nodes"))

    isolates = HealthChecksSpec(monitoring_repair_action="ISOLATE").request(gpus=False)
    assert stack.update(checked(groups, checks=isolates)).status == "UPDATE_COMPLETE"
    assert found(cloud, stack) == isolates
    second = set(running(cloud, stack, "Nodes"))
    assert first.isdisjoint(second), "any change replaces the instances"

    # An update of the group by CloudFormation leaves them as they are.
    larger = checked(groups, checks=isolates)
    larger["Nodes"]["Properties"]["ScalingConfiguration"]["MaxInstanceCount"] = 5
    assert stack.update(larger).status == "UPDATE_COMPLETE"
    assert found(cloud, stack) == isolates
    assert set(running(cloud, stack, "Nodes")) == second

    assert stack.update(checked(groups, checks=None)).status == "UPDATE_COMPLETE"
    assert found(cloud, stack) == OFF


def test_a_refusal_fails_the_deployment_with_awss_words(cloud, groups):
    stack = cloud.deploy(checked(groups, "25.11"))

    assert "ROLLBACK" in stack.status
    assert "only supported for Slurm version 26.05 or later" in str(stack.reasons())


def test_a_stack_that_is_deleted_does_not_launch_its_nodes_anew(cloud, groups):
    stack = cloud.deploy(checked(groups))
    before = set(running(cloud, stack, "Nodes"))
    group_id = stack.physical_id("Nodes").rpartition("/")[2]

    assert stack.delete() == "DELETE_COMPLETE"

    names = [{"Name": "tag:aws:pcs:compute-node-group-id", "Values": [group_id]}]
    rows = cloud.client("ec2").describe_instances(Filters=names)["Reservations"]
    ever = {each["InstanceId"] for row in rows for each in row["Instances"]}
    assert len(ever - before) == len(before), "those that the checks replaced when they were set"


REFUSED = {
    "at least one member": {},
    "when mode is NONE": {"healthMonitoring": {"mode": "NONE", "repairAction": "AUTO"}},
    "NVIDIA GPUs": {"deepHealthChecks": {"onStart": {"profile": "QUICK"}}},
    "the field has no such value": {"healthMonitoring": {"mode": "ON"}},
    "Missing required": {"deepHealthChecks": {}},
}


def test_what_pcs_makes_of_a_request(cloud, groups):
    """The object replaces all settings: a half that is missing is turned off."""
    stack = cloud.deploy(checked(groups))
    update = partial(asked, cloud, stack, "update_compute_node_group")

    for words, checks in REFUSED.items():
        with pytest.raises(CloudError, match=words):
            update(instanceHealthChecks=checks)
    update()
    assert found(cloud, stack) == ON, "an object that is missing changes nothing"
    before = set(running(cloud, stack, "Nodes"))
    update(instanceHealthChecks=ON)
    assert set(running(cloud, stack, "Nodes")) == before, "nothing has changed"
    update(instanceHealthChecks={"deepHealthChecks": OFF["deepHealthChecks"]})
    assert found(cloud, stack) == OFF
