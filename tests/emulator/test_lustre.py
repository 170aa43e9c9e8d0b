"""FSx for Lustre: what FSx checks, keeps in the subnet, and describes."""

from typing import Any

import pytest


def file_system(**configuration: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::FSx::FileSystem",
        "DependsOn": ["In", "Out"],
        "Properties": {
            "FileSystemType": "LUSTRE",
            "FileSystemTypeVersion": "2.15",
            "StorageCapacity": 1200,
            "SubnetIds": [{"Ref": "Subnet"}],
            "SecurityGroupIds": [{"Ref": "Group"}],
            "LustreConfiguration": {
                "DeploymentType": "PERSISTENT_2",
                "PerUnitStorageThroughput": 125,
                **configuration,
            },
        },
    }


def association(path: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::FSx::DataRepositoryAssociation",
        "Properties": {
            "FileSystemId": {"Ref": "Storage"},
            "FileSystemPath": path,
            "DataRepositoryPath": f"s3://data{path}",
        },
        **more,
    }


@pytest.fixture
def network(vpc):
    """A VPC with a group that lets Lustre through in both directions."""
    ports = {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "GroupId": {"Ref": "Group"}}
    return {
        **vpc,
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "storage",
                "VpcId": {"Ref": "Vpc"},
                "SecurityGroupEgress": [
                    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
                ],
            },
        },
        "In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**ports, "SourceSecurityGroupId": {"Ref": "Group"}},
        },
        "Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {**ports, "DestinationSecurityGroupId": {"Ref": "Group"}},
        },
    }


def test_a_file_system_is_described_as_fsx_does(cloud, network):
    """Mount scripts and job inputs are made from these members."""
    names = ("LustreMountName", "DNSName", "ResourceARN")
    outputs = {name: {"Value": {"Fn::GetAtt": ["Storage", name]}} for name in names}

    stack = cloud.deploy({**network, "Storage": file_system()}, Outputs=outputs)

    fsx, identifier = cloud.client("fsx"), stack.physical_id("Storage")
    (found,) = fsx.describe_file_systems(FileSystemIds=[identifier])["FileSystems"]
    assert found["Lifecycle"] == "AVAILABLE"
    assert found["LustreConfiguration"]["MountName"] == stack.outputs["LustreMountName"]
    assert found["LustreConfiguration"]["PerUnitStorageThroughput"] == 125
    assert found["DNSName"] == stack.outputs["DNSName"]
    assert found["SubnetIds"] == [stack.physical_id("Subnet")]
    interfaces = cloud.client("ec2").describe_network_interfaces(
        NetworkInterfaceIds=found["NetworkInterfaceIds"]
    )["NetworkInterfaces"]
    assert {each["Groups"][0]["GroupId"] for each in interfaces} == {stack.physical_id("Group")}


def test_a_file_system_before_its_rules_is_refused(cloud, network):
    """FSx looks at the group at creation; without a dependency the stack races and fails."""
    early = {**file_system(), "DependsOn": []}
    late = {name: {**network[name], "DependsOn": "Storage"} for name in ("In", "Out")}

    stack = cloud.deploy({**network, **late, "Storage": early})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "do not permit Lustre LNET network traffic on port 988" in stack.reasons()


def test_a_throughput_that_is_not_sold_is_refused(cloud, network):
    """cfn-lint, cloudformation-validate and CDK's own validator all pass it."""
    stack = cloud.deploy({**network, "Storage": file_system(PerUnitStorageThroughput=300)})

    assert "PerUnitStorageThroughput" in stack.reasons()


def test_a_retained_file_system_keeps_its_group_and_subnet(cloud, network):
    """Its interfaces stay, so the delete of the group fails until FSx lets go (aws-cdk#31521)."""
    stack = cloud.deploy({**network, "Storage": {**file_system(), "DeletionPolicy": "Retain"}})
    identifier, subnet_id = stack.physical_id("Storage"), stack.physical_id("Subnet")

    assert stack.delete() == "DELETE_FAILED"
    reasons = stack.reasons("DELETE_FAILED")
    assert "has a dependent object" in reasons
    assert f"The subnet '{subnet_id}' has dependencies and cannot be deleted" in reasons

    cloud.client("fsx").delete_file_system(FileSystemId=identifier)
    assert stack.delete() == "DELETE_COMPLETE"


def test_another_subnet_replaces_the_file_system(cloud, network):
    """The data is gone (aws-parallelcluster#4651); the change set must say Replacement."""
    second = {
        **network["Subnet"],
        "Properties": {**network["Subnet"]["Properties"], "CidrBlock": "10.0.16.0/20"},
    }
    network["Second"] = second
    stack = cloud.deploy({**network, "Storage": file_system()})
    before = stack.physical_id("Storage")
    moved = file_system()
    moved["Properties"]["SubnetIds"] = [{"Ref": "Second"}]

    stack.update({**network, "Storage": moved})

    assert stack.status == "UPDATE_COMPLETE"
    assert stack.physical_id("Storage") != before
    found = cloud.client("fsx").describe_file_systems()["FileSystems"]
    assert before not in {each["FileSystemId"] for each in found}


def test_another_throughput_replaces_the_file_system(cloud, network):
    """The registry does not say so; the resource reference, and `cdk diff`, do."""
    stack = cloud.deploy({**network, "Storage": file_system()})
    before = stack.physical_id("Storage")

    stack.update({**network, "Storage": file_system(PerUnitStorageThroughput=250)})

    assert stack.status == "UPDATE_COMPLETE"
    assert stack.physical_id("Storage") != before


def test_a_file_system_grows_in_place_and_cannot_shrink(cloud, network):
    """Growth keeps the data; FSx has no way to make a file system smaller."""
    stack = cloud.deploy({**network, "Storage": file_system()})
    before = stack.physical_id("Storage")
    larger, smaller = file_system(), file_system()
    larger["Properties"]["StorageCapacity"] = 4800
    smaller["Properties"]["StorageCapacity"] = 2400

    stack.update({**network, "Storage": larger})
    assert (stack.status, stack.physical_id("Storage")) == ("UPDATE_COMPLETE", before)

    stack.update({**network, "Storage": smaller})
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "must be greater than the current" in stack.reasons("UPDATE_FAILED")


def test_associations_are_described_with_their_paths(cloud, network):
    """Which bucket is under which path is asked of FSx, not of the template."""
    events = {"S3": {"AutoImportPolicy": {"Events": ["NEW", "CHANGED"]}}}
    linked = association("/data")
    linked["Properties"] |= events

    stack = cloud.deploy({**network, "Storage": file_system(), "Data": linked})

    filters = [{"Name": "file-system-id", "Values": [stack.physical_id("Storage")]}]
    found = cloud.client("fsx").describe_data_repository_associations(Filters=filters)
    (row,) = found["Associations"]
    assert (row["FileSystemPath"], row["Lifecycle"]) == ("/data", "AVAILABLE")
    assert row["S3"]["AutoImportPolicy"]["Events"] == ["NEW", "CHANGED"]


def chained(paths):
    """Return associations each of which waits for the one before it."""
    linked = {f"Data{n}": association(path) for n, path in enumerate(paths)}
    for n in range(1, len(paths)):
        linked[f"Data{n}"]["DependsOn"] = f"Data{n - 1}"
    return linked


def test_associations_that_are_made_at_once_time_out(cloud, network):
    """FSx takes several at once now and then; a deployment that may fail is not to be relied on."""
    at_once = {"Data": association("/data"), "Checkpoints": association("/checkpoints")}
    stack = cloud.deploy({**network, "Storage": file_system(), **at_once})
    assert "timed out: it was created at the same time as" in stack.reasons()

    one_by_one = chained(["/data", "/checkpoints"])
    stack = cloud.deploy({**network, "Storage": file_system(), **one_by_one})
    assert stack.status == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("configuration", "paths", "reason"),
    [
        ({}, ["/data", "/data/train"], "overlaps"),
        ({}, [f"/d{n}" for n in range(9)], "at most 8"),
        ({"AutomaticBackupRetentionDays": 7}, ["/data"], "no automatic backups"),
    ],
)
def test_associations_that_cannot_be_are_refused(cloud, network, configuration, paths, reason):
    """Overlapping paths, a ninth one, or backups: each fails at FSx, late."""
    linked = chained(paths)

    stack = cloud.deploy({**network, "Storage": file_system(**configuration), **linked})

    assert reason in stack.reasons()
