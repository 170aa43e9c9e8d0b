"""Settings of services that our own environments do not have all of."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.review.goldens import changes, edited, golden, put
from ultracluster.review.changes.change import Change, Danger

RESOURCES: dict[str, dict[str, Any]] = {
    "Batch": {
        "Type": "AWS::Batch::ComputeEnvironment",
        "Properties": {
            "Type": "MANAGED",
            "State": "ENABLED",
            "ComputeResources": {"Type": "EC2", "MaxvCpus": 1920, "Subnets": ["subnet-1"]},
        },
    },
    "Eks": {
        "Type": "AWS::EKS::Cluster",
        "Properties": {
            "RoleArn": "x",
            "Version": "1.33",
            "ResourcesVpcConfig": {"SubnetIds": ["subnet-1"], "EndpointPublicAccess": False},
        },
    },
    "Workers": {
        "Type": "AWS::EKS::Nodegroup",
        "Properties": {
            "ClusterName": {"Ref": "Eks"},
            "NodeRole": "x",
            "Subnets": ["subnet-1"],
            "InstanceTypes": ["p5.48xlarge"],
            "ScalingConfig": {"MinSize": 0, "MaxSize": 8, "DesiredSize": 4},
        },
    },
    "Db": {
        "Type": "AWS::RDS::DBInstance",
        "Properties": {
            "AllocatedStorage": "100",
            "BackupRetentionPeriod": 7,
            "DBInstanceClass": "db.t3.medium",
            "Engine": "mysql",
        },
    },
    "Volume": {
        "Type": "AWS::EC2::Volume",
        "Properties": {"AvailabilityZone": "us-east-1a", "Size": 500},
    },
    "Alarm": {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "ComparisonOperator": "LessThanThreshold",
            "EvaluationPeriods": 1,
            "AlarmActions": ["arn:aws:sns:us-east-1:1:t"],
        },
    },
    "Table": {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        },
    },
    "Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Role": "x", "Code": {"S3Key": "a"}, "Timeout": 900},
    },
}


def changed(
    resource: str, path: str, value: Any, before: Mapping[str, Any] | None = None
) -> Change:
    """Return the worst change where a property of a resource gets another value."""
    old = copy.deepcopy(RESOURCES)
    old[resource]["Properties"] |= before or {}
    new = copy.deepcopy(old)
    target = new[resource]["Properties"]
    *above, last = path.split(".")
    for part in above:
        target = target[part]
    target[last] = value
    return changes({"S": {"Resources": old}}, {"S": {"Resources": new}})[0]


@pytest.mark.parametrize(
    ("resource", "path", "value", "danger", "says"),
    [
        ("Batch", "ComputeResources.MaxvCpus", 192, Danger.REDUCES_CAPACITY, "192 vCPU"),
        ("Batch", "ComputeResources.MaxvCpus", 19200, Danger.COSTS_MORE, "19,200 vCPU"),
        ("Batch", "State", "DISABLED", Danger.INTERRUPTS, "no further job"),
        ("Workers", "ScalingConfig.MaxSize", 2, Danger.REDUCES_CAPACITY, "2 p5.48xlarge (16 H100)"),
        ("Workers", "ScalingConfig.MinSize", 8, Danger.COSTS_MORE, "8 p5.48xlarge (64 H100)"),
        ("Db", "BackupRetentionPeriod", 0, Danger.LOSES_DATA, "kept 0 days instead of 7"),
        (
            "Table",
            "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled",
            False,
            Danger.LOSES_DATA,
            "backups",
        ),
        ("Function", "Code.S3Key", "b", Danger.CANNOT_TELL, "program"),
        ("Function", "Timeout", 3, Danger.INTERRUPTS, "3 seconds instead of 900"),
        ("Alarm", "AlarmActions", [], Danger.LOOSENS_SECURITY, "no longer tells"),
    ],
)
def test_a_setting_is_classed_by_what_it_does(resource, path, value, danger, says):
    """Sizes, backups and programs are known, also of services that are not ours."""
    found = changed(resource, path, value)
    assert found.worst is danger, (found.dangers, found.what)
    assert says in found.what


@pytest.mark.parametrize(
    ("resource", "path", "value"),
    [
        ("Alarm", "EvaluationPeriods", 2),
        ("Db", "DBInstanceClass", "db.t3.large"),
        ("Eks", "Version", "1.34"),
        ("Volume", "Size", 1000),
    ],
)
def test_of_a_foreign_type_the_registry_alone_speaks(resource, path, value):
    """It says that nothing is replaced, and a reader must ask what else happens."""
    found = changed(resource, path, value)
    assert found.dangers == (Danger.CANNOT_TELL,)
    assert "updated in place" in found.what
    assert "not create-only" in found.why


@pytest.mark.parametrize("resource", ["Db", "Table", "Volume"])
def test_protection_that_goes_may_lose_the_data_of_any_type(resource):
    """A safeguard is known by its name, whatever the type."""
    found = changed(resource, "DeletionProtection", False, {"DeletionProtection": True})
    assert found.worst is Danger.LOSES_DATA
    assert "no longer protected from deletion" in found.what


CLUSTER, NODES = "Cluster/Slurm/Cluster", "Cluster/Slurm/LargeNodes"


@pytest.mark.parametrize(
    ("path", "where", "value", "danger"),
    [
        (CLUSTER, "Scheduler.Version", "26.05", Danger.INTERRUPTS),
        (CLUSTER, "Scheduler.Version", "25.05", Danger.FAILS),
        (CLUSTER, "Scheduler.Version", "²", Danger.FAILS),
        (CLUSTER, "SlurmConfiguration.Accounting", {"Mode": "NONE"}, Danger.LOSES_DATA),
        (NODES, "PurchaseOption", "SPOT", Danger.INTERRUPTS),
        ("Network/Network/FlowLog", "TrafficType", "ACCEPT", Danger.REPLACES),
        ("Training/Unattended", "LoggingConfiguration.Level", "OFF", Danger.LOOSENS_SECURITY),
        ("Training/Unattended", "DefinitionString", "{}", Danger.CANNOT_TELL),
        ("Storage/Lustre", "@DeletionPolicy", "Snapshot", Danger.FAILS),
    ],
)
def test_a_setting_of_ours_is_classed_by_what_it_does(path, where, value, danger):
    """Slurm's version, Spot, and logs that stop are no news to a reviewer of this project."""
    found = changes(golden(), edited(put(path, where, value)))
    assert found[0].worst is danger, (found[0].dangers, found[0].what)


def test_a_property_that_replaces_sometimes_only_may_replace():
    """What the registry calls conditional is not said as if it were sure."""
    new = copy.deepcopy(RESOURCES)
    new["Db"]["Properties"]["Engine"] = "postgres"
    (change,) = changes({"S": {"Resources": RESOURCES}}, {"S": {"Resources": new}})
    assert "may be replaced" in change.what


def test_a_database_leaves_a_snapshot_where_no_policy_is_written():
    """That is CloudFormation's default for it, and nothing is lost."""
    new = {name: body for name, body in RESOURCES.items() if name != "Db"}
    (change,) = changes({"S": {"Resources": RESOURCES}}, {"S": {"Resources": new}})
    assert change.worst is Danger.INTERRUPTS
    assert "snapshot" in change.what


@pytest.mark.parametrize(
    ("path", "where", "value", "says"),
    [
        # 88 more at 21.957642 USD an hour; 100,800 GB more at 0.6 USD a month.
        ("Cluster/Placement/Reservation", "InstanceCount", 600, "1,844.44 USD an hour"),
        (NODES, "ScalingConfiguration.MaxInstanceCount", 600, "1,844.44 USD an hour"),
        ("Storage/Lustre", "StorageCapacity", 201600, "60,480 USD a month"),
    ],
)
def test_what_costs_more_says_how_much(path, where, value, says):
    """A reviewer weighs a sum, and 'costs more' is none."""
    found = changes(golden(), edited(put(path, where, value)), region="us-east-1")
    assert says in found[0].what


def test_a_region_without_a_price_has_no_sum():
    """A price of one Region says nothing about another."""
    edit = put("Cluster/Placement/Reservation", "InstanceCount", 600)
    found = changes(golden(), edited(edit), region="xx-nowhere-1")
    assert "USD" not in " ".join(change.what for change in found)


def test_another_type_is_compared_by_all_that_a_node_has():
    """As many GPUs with half the memory and an eighth of the network is a smaller node."""
    template: dict[str, Any] = {
        "T": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"InstanceType": "p5.48xlarge"}},
        }
    }
    new = copy.deepcopy(template)
    new["T"]["Properties"]["LaunchTemplateData"]["InstanceType"] = "p4d.24xlarge"
    one, other = {"S": {"Resources": template}}, {"S": {"Resources": new}}

    (smaller,), (larger,) = changes(one, other), changes(other, one)
    assert Danger.REDUCES_CAPACITY in smaller.dangers
    assert "8 A100 of 40 GiB, 400 Gbps" in smaller.what
    assert Danger.REDUCES_CAPACITY not in larger.dangers


def test_a_switch_whose_value_is_not_known_is_not_said_to_be_off():
    """A parameter without a default may switch it on."""
    unknown = {"Fn::ImportValue": "somebody-else-s"}
    found = changes(golden(), edited(put("Storage/Key", "EnableKeyRotation", unknown)))
    assert found[0].dangers == (Danger.CANNOT_TELL,)
    assert "not known" in found[0].what


def test_backups_that_go_with_their_whole_section_are_lost():
    """Who removes the section removes what it switched on."""
    found = changed("Table", "PointInTimeRecoverySpecification", None)
    assert found.worst is Danger.LOSES_DATA
