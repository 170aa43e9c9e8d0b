"""Two ways to name the same resource are the same value."""

import json

import pytest

from tests.review.goldens import changes, edited, golden, put
from ultracluster.review.changes.change import Danger

VPC = "NetworkVpc7FB7348F"
SYSTEM = {
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
    "Subnet": {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"},
    },
    "Group": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": "x", "VpcId": {"Ref": "Vpc"}},
    },
    "Files": {
        "Type": "AWS::FSx::FileSystem",
        "Properties": {
            "FileSystemType": "LUSTRE",
            "StorageCapacity": 1200,
            "SubnetIds": [{"Ref": "Subnet"}],
            "SecurityGroupIds": [{"Ref": "Group"}],
        },
    },
}


def _with(resource, name, value):
    body = json.loads(json.dumps(SYSTEM))
    body[resource]["Properties"][name] = value
    return {"S": {"Resources": body}}


@pytest.mark.parametrize(
    ("resource", "name", "value"),
    [
        ("Files", "SubnetIds", [{"Fn::GetAtt": ["Subnet", "SubnetId"]}]),
        ("Files", "SecurityGroupIds", [{"Fn::GetAtt": ["Group", "GroupId"]}]),
        ("Files", "SecurityGroupIds", [{"Fn::Sub": "${Group.GroupId}"}]),
        ("Subnet", "VpcId", {"Fn::GetAtt": ["Vpc", "VpcId"]}),
    ],
)
def test_an_attribute_with_the_value_of_ref_replaces_nothing(resource, name, value):
    """A file system is not made anew because its subnet is named by GetAtt instead of Ref."""
    (change,) = changes({"S": {"Resources": SYSTEM}}, _with(resource, name, value))
    assert change.dangers == (Danger.HARMLESS,)
    assert "same value" in change.why


def test_an_attribute_with_another_value_is_another_value():
    """The block of a VPC is not its id."""
    found = changes(
        {"S": {"Resources": SYSTEM}},
        _with("Subnet", "VpcId", {"Fn::GetAtt": ["Vpc", "CidrBlock"]}),
    )
    assert found[0].worst is Danger.LOSES_DATA


def test_a_group_without_a_vpc_is_named_and_not_numbered():
    """Ref of a security group in the default VPC gives its name, GetAtt its id."""
    old = _with("Files", "SecurityGroupIds", [{"Ref": "Group"}])
    new = _with("Files", "SecurityGroupIds", [{"Fn::GetAtt": ["Group", "GroupId"]}])
    for side in (old, new):
        del side["S"]["Resources"]["Group"]["Properties"]["VpcId"]
    assert changes(old, new)[0].worst is not Danger.HARMLESS


def test_an_export_written_otherwise_keeps_its_value():
    """The importers of an export notice nothing, and the deployment goes on."""
    new = golden()
    for output in new["Network"]["Outputs"].values():
        if output["Value"] == {"Ref": VPC}:
            output["Value"] = {"Fn::GetAtt": [VPC, "VpcId"]}
    assert new != golden()
    assert {change.worst for change in changes(golden(), new)} == {Danger.HARMLESS}


def test_a_golden_template_may_be_written_by_hand():
    """The largest environment is told from itself by how it is written, and by nothing else."""
    written = {"Fn::GetAtt": [VPC, "VpcId"]}
    new = edited(put("Network/Network/Training0Subnet", "VpcId", written))
    assert [change.worst for change in changes(golden(), new)] == [Danger.HARMLESS]
