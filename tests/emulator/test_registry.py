"""The registry: what AWS's own schemas say about a type, in each Region."""

from ultracluster.emulator import schema_only
from ultracluster.registry import schemas as registry


def test_an_unknown_property_is_named_in_cloudformations_words():
    """A typing error in a template must fail here as it does on AWS."""
    given = {"FileSystemType": "LUSTRE", "SubnetIds": ["subnet-1"], "Capacity": 1200}

    found = schema_only.problems("AWS::FSx::FileSystem", given, "us-east-1")

    assert found == ["#: extraneous key [Capacity] is not permitted"]


def test_a_missing_property_is_named():
    """Registry types say which properties they cannot do without."""
    found = schema_only.problems("AWS::FSx::FileSystem", {"FileSystemType": "LUSTRE"}, "us-east-1")

    assert found == ["#: required key [SubnetIds] not found"]


def test_a_read_only_property_cannot_be_given():
    """cfn-lint 1.58 passes a placement group with a name; CloudFormation refuses it."""
    found = schema_only.problems("AWS::EC2::PlacementGroup", {"GroupName": "mine"}, "us-east-1")

    assert found == ["#/GroupName: is read-only and cannot be given"]


def test_two_properties_that_exclude_each_other_are_refused():
    """A subnet is placed by zone name or by zone id, never by both."""
    given = {
        "VpcId": "vpc-1",
        "CidrBlock": "10.0.0.0/24",
        "AvailabilityZone": "us-east-1a",
        "AvailabilityZoneId": "use1-az6",
    }

    assert len(schema_only.problems("AWS::EC2::Subnet", given, "us-east-1")) == 2


def test_a_real_placement_group_arn_is_accepted_by_a_reservation():
    """The registry's pattern for it can match nothing, so AWS cannot be enforcing it."""
    given = {
        "InstanceType": "p4d.24xlarge",
        "InstancePlatform": "Linux/UNIX",
        "InstanceCount": 1,
        "PlacementGroupArn": "arn:aws:ec2:us-east-1:123456789012:placement-group/cluster",
    }

    assert schema_only.problems("AWS::EC2::CapacityReservation", given, "us-east-1") == []


def test_numbers_and_booleans_written_as_text_get_their_types():
    """Parameters reach a resource as text; CloudFormation converts them by the schema."""
    given = {"StorageCapacity": "1200", "LustreConfiguration": {"EfaEnabled": "true"}}

    found = schema_only.coerced("AWS::FSx::FileSystem", given, "us-east-1")

    assert found == {"StorageCapacity": 1200, "LustreConfiguration": {"EfaEnabled": True}}


def test_a_changed_create_only_property_replaces_the_resource():
    """Moving a file system to another subnet loses it; the review must say so."""
    old, new = {"SubnetIds": ["subnet-1"]}, {"SubnetIds": ["subnet-2"], "StorageCapacity": 2400}

    assert registry.replaced_by("AWS::FSx::FileSystem", old, new, "us-east-1") == ["SubnetIds"]


def test_regions_differ_in_the_types_they_have():
    """Parallel Computing Service is not sold everywhere."""
    without = [r for r in registry.regions() if "AWS::PCS::Cluster" not in registry.types(r)]

    assert "us-east-1" not in without
    assert "ca-west-1" in without
