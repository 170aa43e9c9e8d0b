"""Changes of which a review said something wrong, or nothing."""

import copy
from typing import Any

import pytest

from tests.review.changes.planted import LUSTRE
from tests.review.goldens import changes, edited, golden, put
from ultracluster.review.changes.change import Danger

WINDOW = "LustreConfiguration.WeeklyMaintenanceStartTime"
BACKUP = "LustreConfiguration.DailyAutomaticBackupStartTime"


def slurm(size: str, most: int, suffix: str = "", name: str = "train") -> dict[str, Any]:
    """Return a Slurm cluster whose node group and queue have names, and logical ids by its size."""
    cluster = {"Fn::GetAtt": ["Controller", "Id"]}
    groups = [{"ComputeNodeGroupId": {"Fn::GetAtt": [f"Nodes{suffix}", "Id"]}}]
    resources = {
        "Controller": {
            "Type": "AWS::PCS::Cluster",
            "Properties": {"Name": f"c-{size.lower()}", "Size": size, "Networking": {}},
        },
        f"Nodes{suffix}": {
            "Type": "AWS::PCS::ComputeNodeGroup",
            "Properties": {
                "Name": "p4d",
                "ClusterId": cluster,
                "InstanceConfigs": [{"InstanceType": "p4d.24xlarge"}],
                "ScalingConfiguration": {"MinInstanceCount": 0, "MaxInstanceCount": most},
                "SubnetIds": ["subnet-1"],
            },
        },
        f"Queue{suffix}": {
            "Type": "AWS::PCS::Queue",
            "Properties": {
                "Name": name,
                "ClusterId": cluster,
                "ComputeNodeGroupConfigurations": groups,
            },
        },
    }
    return {"S": {"Resources": resources}}


@pytest.mark.parametrize(
    ("name", "wrong", "right", "instead"),
    [
        (WINDOW, "0:03:00", "1:03:00", "1 = Monday to 7"),
        (WINDOW, "8:00:00", "7:23:59", "1 = Monday to 7"),
        (WINDOW, "1:24:00", "1:00:00", "d:HH:MM"),
        (WINDOW, 10300, "1:03:00", "d:HH:MM"),
        (BACKUP, "24:00", "23:59", "HH:MM"),
        (BACKUP, "3:00", "03:00", "HH:MM"),
    ],
)
def test_a_time_that_fsx_does_not_have_fails(name: str, wrong: object, right: str, instead: str):
    """FSx counts the days of the week from 1, Monday, to 7, and the hours from 00 to 23."""
    (refused,) = changes(golden(), edited(put(LUSTRE, name, wrong)))
    (taken,) = changes(golden(), edited(put(LUSTRE, name, right)))

    assert refused.worst is Danger.FAILS
    assert str(wrong) in refused.what
    assert instead in refused.instead
    assert taken.worst is Danger.HARMLESS


def test_metadata_of_cdk_is_harmless_when_it_comes_changes_and_goes():
    """CDK writes it into every stack of a foreign app, and each release changes it."""

    def template(analytics: str | None) -> dict[str, Any]:
        body = {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": analytics}}
        return {"S": {"Resources": {"CDKMetadata": body} if analytics else {}}}

    for before, after in ((None, "a"), ("a", "b"), ("b", None)):
        (change,) = changes(template(before), template(after))
        assert change.worst is Danger.HARMLESS, change.what


def test_a_queue_that_points_at_other_nodes_says_whose_jobs_run_where():
    """Running jobs go on; further ones run on the other group, and on the first no longer."""
    before = slurm("SMALL", 16)
    resources = before["S"]["Resources"]
    resources["Other"] = copy.deepcopy(resources["Nodes"])
    resources["Other"]["Properties"]["Name"] = "other"
    after = copy.deepcopy(before)
    queue = after["S"]["Resources"]["Queue"]["Properties"]
    queue["ComputeNodeGroupConfigurations"] = [
        {"ComputeNodeGroupId": {"Fn::GetAtt": ["Other", "Id"]}}
    ]

    (change,) = changes(before, after)
    assert change.dangers == (Danger.INTERRUPTS, Danger.REDUCES_CAPACITY)
    assert "no longer run on the node group Nodes" in change.what
    assert "also run on the node group Other" in change.what


def test_a_queue_that_points_at_nodes_of_nobody_fails():
    """PCS refuses an id that it does not know."""
    before = slurm("SMALL", 16)
    after = copy.deepcopy(before)
    queue = after["S"]["Resources"]["Queue"]["Properties"]
    queue["ComputeNodeGroupConfigurations"] = [{"ComputeNodeGroupId": "nobodys"}]

    (change,) = changes(before, after)
    assert change.worst is Danger.FAILS
    assert "where its cluster has no node group of the id nobodys" in change.what


@pytest.mark.parametrize("again", [{"Ref": "Nodes"}, {"Fn::GetAtt": ["Nodes", "Arn"]}])
def test_a_queue_that_names_the_same_nodes_in_another_way_loses_none(again: dict[str, Any]):
    """It was said to run its jobs on them, and to run no further ones on them."""
    before = slurm("SMALL", 16)
    after = copy.deepcopy(before)
    queue = after["S"]["Resources"]["Queue"]["Properties"]
    queue["ComputeNodeGroupConfigurations"] = [{"ComputeNodeGroupId": again}]

    (change,) = changes(before, after)
    assert change.dangers == (Danger.INTERRUPTS,)


def test_a_placement_group_that_nobody_makes_fails():
    """EC2 launches nothing into it, which is more than an interruption."""
    where = "LaunchTemplateData.Placement.GroupName"
    found = changes(
        golden("dev"),
        edited(put("Cluster/LaunchTemplate", where, "nobodys"), environment="dev"),
    )
    assert found[0].worst is Danger.FAILS
    assert "nobodys" in found[0].what


def test_a_cluster_that_grows_past_its_size_cannot_keep_the_ids_of_named_groups():
    """CloudFormation does not replace a resource that has a name, and the deployment fails."""
    found = {c.resource: c for c in reversed(changes(slurm("SMALL", 16), slurm("MEDIUM", 64)))}

    assert Danger.FAILS not in found["Controller"].dangers
    for name in ("Nodes", "Queue"):
        assert found[name].worst is Danger.REPLACES
        assert Danger.FAILS in found[name].dangers
        assert "CloudFormation refuses" in found[name].what


def test_groups_of_another_cluster_keep_their_names_under_other_ids():
    """A name of a group or queue is unique within its cluster, and the cluster is another one."""
    found = changes(slurm("SMALL", 16), slurm("MEDIUM", 64, "Medium"))

    assert {c.worst for c in found} == {Danger.REPLACES}
    assert all(Danger.FAILS not in change.dangers for change in found)
    nodes = next(c for c in found if c.resource == "Nodes")
    assert nodes.what.startswith("the node group Nodes becomes NodesMedium and will be replaced")
    assert "with the jobs on them" in nodes.what


def test_a_sentence_says_what_is_deleted():
    """Who reads "it ends with what runs on it" alone does not know what ends."""
    node = {"Type": "AWS::EC2::Instance", "Properties": {"InstanceType": "m6i.large"}}
    (change,) = changes({"S": {"Resources": {"Bastion": node}}}, {"S": {"Resources": {}}})
    assert change.what.startswith("the instance Bastion is deleted: it ends with what runs on it")


def test_in_the_same_cluster_a_second_group_of_the_name_is_refused():
    """The new one is made before the old one is deleted."""
    found = changes(slurm("SMALL", 16), slurm("SMALL", 16, "Other"))
    assert all(Danger.FAILS in c.dangers for c in found if c.resource in ("Nodes", "Queue"))
    assert found


def test_what_stands_beside_an_acl_entry_opens_nothing():
    """Another order of creation was called a wider entry of the network ACL."""
    entry = {"Type": "AWS::EC2::NetworkAclEntry", "Properties": {"RuleAction": "allow"}}
    before, after = ({"s": {"Resources": {"E": entry | more}}} for more in ({}, {"DependsOn": "X"}))
    (change,) = changes(before, after)
    assert change.dangers == (Danger.HARMLESS,)


def test_a_condition_that_changes_is_named():
    """Less and more of the same call "under a condition" says nothing of what a role lost."""

    def template(instance):
        only = {"ForAllValues:StringEquals": {"sagemaker:InstanceTypes": instance}}
        always = {"StringEquals": {"aws:ResourceAccount": "111122223333"}}
        statement = {
            "Effect": "Allow",
            "Action": "sagemaker:CreateTrainingJob",
            "Resource": "*",
            "Condition": {**only, **always},
        }
        policy = {
            "PolicyName": "p",
            "PolicyDocument": {"Statement": [statement]},
            "Roles": ["launcher"],
        }
        return {"S": {"Resources": {"Jobs": {"Type": "AWS::IAM::Policy", "Properties": policy}}}}

    (change,) = changes(template("ml.p4d.24xlarge"), template("ml.p5.48xlarge"))
    less, more = change.what.split("; ")
    assert "may do less" in less
    assert "sagemaker:instancetypes is ml.p4d.24xlarge" in less
    assert "sagemaker:instancetypes is ml.p5.48xlarge" in more
    assert "111122223333" not in change.what
