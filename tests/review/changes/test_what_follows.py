"""What follows from a change elsewhere: by reference, parameter, mapping, condition or export."""

import json

import pytest

from tests.review.goldens import changes, drop, edited, golden, logical_id, put
from ultracluster.review.changes.change import Danger, Difference


def stack(resources, **sections):
    """Return templates of one stack."""
    return {"S": {"Resources": resources, **sections}}


def line(found, resource, where=None):
    """Return the line about a resource, or about a property of it."""
    return next(c for c in found if c.resource == resource and where in (None, c.property))


def network(block, **sections):
    """Return a file system in a subnet in a VPC, each made with the one before."""
    return stack(
        {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": block}},
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"},
            },
            "Files": {
                "Type": "AWS::FSx::FileSystem",
                "Properties": {"StorageCapacity": 1258291, "SubnetIds": [{"Ref": "Subnet"}]},
            },
        },
        **sections,
    )


def test_a_replacement_is_followed_to_the_data():
    """The VPC's block is three references away from 1.2 PiB, and they go with it."""
    found = changes(network("10.0.0.0/16"), network("10.1.0.0/16"))

    assert [c.resource for c in found] == ["Files", "Vpc", "Subnet"]
    assert found[0].worst is Danger.LOSES_DATA
    assert "1.2 PiB gone" in found[0].what
    assert found[0].caused_by == Difference("S", "Subnet", "VpcId")
    assert found[0].covers == ()


@pytest.mark.parametrize("section", ["Parameters", "Mappings"])
def test_a_value_that_comes_from_elsewhere_is_followed(section):
    """The resource is written as before; what it refers to is not."""

    def template(block):
        if section == "Parameters":
            return network(
                {"Ref": "Block"}, Parameters={"Block": {"Type": "String", "Default": block}}
            )
        return network({"Fn::FindInMap": ["M", "a", "b"]}, Mappings={"M": {"a": {"b": block}}})

    found = changes(template("10.0.0.0/16"), template("10.1.0.0/16"))
    vpc = line(found, "Vpc")

    assert vpc.worst is Danger.REPLACES
    assert vpc.caused_by == Difference("S", section, "")
    assert (vpc.before, vpc.after) == ("10.0.0.0/16", "10.1.0.0/16")
    assert line(found, section).worst is Danger.HARMLESS
    assert found[0].resource == "Files"


def test_a_condition_that_no_longer_holds_removes_what_it_made():
    """The bucket is in both templates, and only in one of the stacks."""

    def template(other):
        return stack(
            {"B": {"Type": "AWS::S3::Bucket", "Condition": "C"}},
            Conditions={"C": {"Fn::Equals": ["a", other]}},
        )

    found = changes(template("a"), template("b"))
    assert line(found, "B").worst is Danger.LOSES_DATA
    assert changes(template("a"), template("a")) == ()


def test_both_branches_of_an_open_condition_are_judged():
    """Which branch is deployed is not known; the worse one must be seen."""

    def template(name):
        return stack(
            {
                "B": {
                    "Type": "AWS::S3::Bucket",
                    "Properties": {
                        "BucketName": {"Fn::If": ["Named", name, {"Ref": "AWS::NoValue"}]}
                    },
                }
            },
            Parameters={"Given": {"Type": "String"}},
            Conditions={"Named": {"Fn::Equals": [{"Ref": "Given"}, "yes"]}},
        )

    (change,) = changes(template("one"), template("two"))
    assert Danger.LOSES_DATA in change.dangers


def test_what_others_import_cannot_change():
    """A reviewer learns before the deployment that it will stop at an export."""
    new = edited(put("Network/Network/Training0Subnet", "CidrBlock", "10.2.16.0/20"))
    found = changes(golden(), new)
    subnet = line(found, logical_id(golden(), "Network/Network/Training0Subnet")[1])

    assert Danger.FAILS in subnet.dangers
    assert all(stack in subnet.what for stack in ("Cluster", "Storage", "Training"))
    assert line(found, logical_id(golden(), "Storage/Lustre")[1]).caused_by is not None


def test_a_tag_on_the_placement_group_reaches_the_reservation():
    """Tags are create-only there, and 516 nodes are reserved in the group."""
    new = edited(put("Cluster/Placement/Group", "Tags", [{"Key": "a", "Value": "b"}]))
    found = changes(golden(), new)
    reservation = line(found, logical_id(golden(), "Cluster/Placement/Reservation")[1])

    assert reservation.dangers[0] is Danger.REPLACES
    assert Danger.REDUCES_CAPACITY in reservation.dangers
    assert "516" in reservation.what


def test_a_reference_to_what_is_gone_fails():
    """CloudFormation refuses such a template; the line says which reference it is."""
    found = changes(golden(), edited(drop("Network/Network/Endpoints/Group")))
    failing = {c.resource for c in found if c.worst is Danger.FAILS}
    users = {
        name
        for name, body in golden()["Network"]["Resources"].items()
        if body["Type"] == "AWS::EC2::VPCEndpoint" and "SecurityGroupIds" in body["Properties"]
    }
    assert users <= failing


def test_without_retention_the_same_change_loses_the_data():
    """`dev` keeps nothing: what replaces the file system of 512 nodes deletes that of two."""
    edit = put("Storage/Lustre", "SecurityGroupIds", ["sg-1"])
    kept = changes(golden(), edited(edit))[0]
    gone = changes(golden("dev"), edited(edit, environment="dev"))[0]

    assert kept.worst is Danger.REPLACES
    assert "left behind" in kept.what
    assert gone.worst is Danger.LOSES_DATA
    assert "1.2 TiB gone" in gone.what


def test_retention_that_comes_with_the_change_does_not_count():
    """Which of both policies holds is not documented: the old one must keep the data as well."""
    keep = put("Storage/Lustre", "@UpdateReplacePolicy", "Retain")
    edit = put("Storage/Lustre", "SecurityGroupIds", ["sg-1"])
    found = changes(golden("dev"), edited(keep, edit, environment="dev"))
    assert found[0].worst is Danger.LOSES_DATA
    assert "UpdateReplacePolicy: Retain first" in found[0].instead


def test_a_rename_is_one_line_and_not_two():
    """A logical id that changed is no removal beside an addition, but the same thing made anew."""
    old = golden("dev")
    name = logical_id(old, "Storage/Lustre")[1]
    new = {**old, "Storage": json.loads(json.dumps(old["Storage"]).replace(name, "Other"))}
    change = line(changes(old, new), name)

    assert change.worst is Danger.LOSES_DATA
    assert change.covers == (Difference("Storage", name, ""), Difference("Storage", "Other", ""))
    assert "replaced by a new one" in change.what


def test_a_resource_with_a_name_of_its_own_cannot_be_replaced():
    """CloudFormation makes the second before it deletes the first, and the name is taken."""

    def template(path):
        return stack(
            {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r", "Path": path}}}
        )

    (change,) = changes(template("/a/"), template("/b/"))
    assert change.dangers == (Danger.REPLACES, Danger.FAILS)
    assert "named r" in change.what


def test_a_type_that_the_region_lacks_is_said_before_the_deployment():
    """The registry of each Region is known."""
    new = stack({"C": {"Type": "AWS::PCS::Cluster", "Properties": {}}})
    from ultracluster.registry.schemas import regions, types  # noqa: PLC0415

    without = next(r for r in regions() if "AWS::PCS::Cluster" not in types(r))
    (change,) = [c for c in changes({"S": {}}, new, region=without) if c.resource == "C"]
    assert change.worst is Danger.FAILS
    assert without in change.what


def test_a_stack_that_is_gone_says_that_a_deployment_does_not_remove_it():
    """The CDK CLI leaves a stack that an app no longer has."""
    old = golden()
    found = changes(old, {name: body for name, body in old.items() if name != "Cluster"})
    assert all("destroyed" in c.why for c in found if c.resource_type)
