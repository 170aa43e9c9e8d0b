"""The instances of compute node groups: their tags, and which update replaces them."""

import copy

import pytest

TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}


@pytest.fixture
def groups(vpc):
    """Two nodes and a login node, each group on a template of its own."""

    def template(role):
        tags = [{"Key": "role", "Value": role}]
        data = {
            "ImageId": "ami-1",
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": tags},
                {"ResourceType": "volume", "Tags": [{"Key": "of", "Value": "volume"}]},
            ],
        }
        return {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": data}}

    def nodes(name, count):
        version = {"Fn::GetAtt": [f"{name}Template", "LatestVersionNumber"]}
        return {
            "Type": "AWS::PCS::ComputeNodeGroup",
            "Properties": {
                "Name": name,
                "ClusterId": {"Fn::GetAtt": ["Cluster", "Id"]},
                "IamInstanceProfileArn": {"Fn::GetAtt": ["Profile", "Arn"]},
                "InstanceConfigs": [{"InstanceType": "m6i.xlarge"}],
                "ScalingConfiguration": {"MinInstanceCount": count, "MaxInstanceCount": 4},
                "SubnetIds": [{"Ref": "Subnet"}],
                "CustomLaunchTemplate": {
                    "TemplateId": {"Ref": f"{name}Template"},
                    "Version": version,
                },
                "Tags": {"environment": "test"},
            },
        }

    everywhere = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]
    return {
        **vpc,
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": TRUST, "Path": "/aws-pcs/"},
        },
        "Profile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Roles": [{"Ref": "Role"}]},
        },
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "all",
                "VpcId": {"Ref": "Vpc"},
                "SecurityGroupEgress": everywhere,
            },
        },
        "Cluster": {
            "Type": "AWS::PCS::Cluster",
            "Properties": {
                "Size": "SMALL",
                "Scheduler": {"Type": "SLURM", "Version": "25.05"},
                "Networking": {
                    "SubnetIds": [{"Ref": "Subnet"}],
                    "SecurityGroupIds": [{"Ref": "Group"}],
                },
                "Tags": {"environment": "test"},
            },
        },
        "NodesTemplate": template("node"),
        "LoginTemplate": template("login"),
        "Nodes": nodes("Nodes", 2),
        "Login": nodes("Login", 1),
    }


def running(cloud, stack, name):
    """Return the running instances of a group, by the tag that PCS gives them."""
    group_id = stack.physical_id(name).rpartition("/")[2]
    answer = cloud.client("ec2").describe_instances(
        Filters=[
            {"Name": "tag:aws:pcs:compute-node-group-id", "Values": [group_id]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
    )
    return {each["InstanceId"]: each for row in answer["Reservations"] for each in row["Instances"]}


def test_instances_have_the_tags_of_their_launch_template_alone(cloud, groups):
    """A budget that watches a tag of the cluster or the group sees no instance of it."""
    stack = cloud.deploy(groups)

    assert stack.status == "CREATE_COMPLETE"
    found = running(cloud, stack, "Nodes")
    assert len(found) == 2
    for instance in found.values():
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        assert tags.pop("role") == "node"
        assert {key for key in tags if not key.startswith("aws:pcs:")} == set()
    assert stack.delete() == "DELETE_COMPLETE"
    rows = cloud.client("ec2").describe_instances(InstanceIds=list(found))["Reservations"]
    states = {each["State"]["Name"] for row in rows for each in row["Instances"]}
    assert states == {"terminated"}


def test_a_new_version_of_the_template_replaces_the_nodes_of_its_group_alone(cloud, groups):
    """Whoever changes the nodes' user data must see that the login node stays, and the reverse."""
    stack = cloud.deploy(groups)
    before = {name: set(running(cloud, stack, name)) for name in ("Nodes", "Login")}
    changed = copy.deepcopy(groups)
    data = changed["LoginTemplate"]["Properties"]["LaunchTemplateData"]
    data["UserData"] = "bmV3"

    assert stack.update(changed).status == "UPDATE_COMPLETE"

    after = {name: set(running(cloud, stack, name)) for name in ("Nodes", "Login")}
    assert after["Nodes"] == before["Nodes"]
    assert len(after["Login"]) == 1
    assert after["Login"].isdisjoint(before["Login"])


@pytest.mark.parametrize(
    ("properties", "replaced"),
    [
        ({"AmiId": "ami-0123456789abcdef0"}, True),
        ({"SlurmConfiguration": {"ScaleDownIdleTimeInSeconds": 900}}, True),
        ({"Tags": {"environment": "other"}}, False),
        ({"ScalingConfiguration": {"MinInstanceCount": 2, "MaxInstanceCount": 8}}, False),
    ],
    ids=["image", "slurm", "tags", "most"],
)
def test_what_replaces_nodes(cloud, groups, properties, replaced):
    """A larger group keeps its nodes; another image, or what Slurm is told of them, does not."""
    stack = cloud.deploy(groups)
    before = set(running(cloud, stack, "Nodes"))
    changed = copy.deepcopy(groups)
    changed["Nodes"]["Properties"] |= properties

    assert stack.update(changed).status == "UPDATE_COMPLETE"

    after = set(running(cloud, stack, "Nodes"))
    assert len(after) == 2
    assert after.isdisjoint(before) if replaced else after == before


def test_a_group_grows_and_shrinks_by_its_least_number(cloud, groups):
    """Growth launches what is missing; what is one too many is stopped, newest first."""
    stack = cloud.deploy(groups)
    before = set(running(cloud, stack, "Nodes"))
    changed = copy.deepcopy(groups)
    scaling = changed["Nodes"]["Properties"]["ScalingConfiguration"]

    scaling["MinInstanceCount"] = 3
    stack.update(changed)
    assert set(running(cloud, stack, "Nodes")) > before
    scaling["MinInstanceCount"] = 1
    stack.update(changed)
    assert set(running(cloud, stack, "Nodes")) < before


def test_capacity_that_is_not_there_leaves_the_group_without_nodes(cloud, groups):
    """CloudFormation is done, and no node runs: only who asks for the instances sees it."""
    cloud.set_faults(
        {
            "type": "AWS::EC2::Instance",
            "operation": "launch",
            "logical_id": "Nodes",
            "message": "We currently do not have sufficient m6i.xlarge capacity",
        }
    )
    stack = cloud.deploy(groups)
    cloud.set_faults()

    assert stack.status == "CREATE_COMPLETE"
    assert running(cloud, stack, "Nodes") == {}
    assert len(running(cloud, stack, "Login")) == 1
    cluster_id = stack.physical_id("Cluster").rpartition("/")[2]
    found = cloud.client("pcs").get_compute_node_group(
        clusterIdentifier=cluster_id, computeNodeGroupIdentifier="Nodes"
    )["computeNodeGroup"]
    assert found["errorInfo"][0]["code"] == "InsufficientInstanceCapacity"
