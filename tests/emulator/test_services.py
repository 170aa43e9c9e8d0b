"""The other services of a cluster: deployed by CloudFormation, read back by their own APIs."""

import json

import pytest
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def group(**more):
    return {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": "nodes", "VpcId": {"Ref": "Vpc"}, **more},
    }


def test_a_role_its_policies_and_its_profile(cloud):
    """`Ref` of a profile is its name: launch templates and tools rely on it."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Managed": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": document, "Roles": [{"Ref": "Role"}]},
        },
        "Inline": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "data",
                "PolicyDocument": document,
                "Roles": [{"Ref": "Role"}],
            },
        },
        "Profile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Roles": [{"Ref": "Role"}]},
        },
    }

    stack = cloud.deploy(resources)

    iam, role = cloud.client("iam"), stack.physical_id("Role")
    (attached,) = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert attached["PolicyArn"] == stack.physical_id("Managed")
    assert iam.get_role_policy(RoleName=role, PolicyName="data")["PolicyDocument"] == document
    profile = iam.get_instance_profile(InstanceProfileName=stack.physical_id("Profile"))
    assert profile["InstanceProfile"]["Roles"][0]["RoleName"] == role
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_data_bucket_is_versioned_encrypted_and_closed(cloud):
    """The settings that a security review asks S3 about."""
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    closed = dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    resources = {
        "Data": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "VersioningConfiguration": {"Status": "Enabled"},
                "PublicAccessBlockConfiguration": closed,
                "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
            },
        },
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "Data"}, "PolicyDocument": {"Statement": [deny]}},
        },
    }

    stack = cloud.deploy(resources)

    s3, name = cloud.client("s3"), stack.physical_id("Data")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    found = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
    assert found["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert block == closed
    put = s3.put_object(Bucket=name, Key="k", Body=b"v", ServerSideEncryption="aws:kms")
    assert put["SSEKMSKeyId"].endswith("alias/aws/s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    assert policy["Statement"][0]["Effect"] == "Deny"


def test_a_bucket_with_data_is_not_deleted(cloud):
    """The data is worth more than a clean account."""
    stack = cloud.deploy({"Data": {"Type": "AWS::S3::Bucket"}})
    s3, name = cloud.client("s3"), stack.physical_id("Data")
    s3.put_object(Bucket=name, Key="model", Body=b"weights")

    assert stack.delete() == "DELETE_FAILED"
    assert "The bucket you tried to delete is not empty" in stack.reasons("DELETE_FAILED")

    s3.delete_object(Bucket=name, Key="model")
    assert stack.delete() == "DELETE_COMPLETE"


def test_an_image_repository_is_immutable_and_scanned(cloud):
    """A tag that can be moved is not a version."""
    rule = {
        "rulePriority": 1,
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 14,
        },
        "action": {"type": "expire"},
    }
    images = {
        "Type": "AWS::ECR::Repository",
        "Properties": {
            "ImageTagMutability": "IMMUTABLE",
            "ImageScanningConfiguration": {"ScanOnPush": True},
            "EncryptionConfiguration": {"EncryptionType": "KMS"},
            "LifecyclePolicy": {"LifecyclePolicyText": json.dumps({"rules": [rule]})},
        },
    }

    stack = cloud.deploy({"Images": images})

    ecr, name = cloud.client("ecr"), stack.physical_id("Images")
    (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    assert found["imageTagMutability"] == "IMMUTABLE"
    assert found["imageScanningConfiguration"]["scanOnPush"]
    assert found["encryptionConfiguration"]["encryptionType"] == "KMS"
    policy = json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])
    assert policy["rules"][0]["selection"]["countNumber"] == 14


def test_a_key_rotates_and_has_an_alias(cloud):
    """Scratch and persistent storage differ by this key."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
        ],
    }
    resources = {
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {"KeyPolicy": policy, "EnableKeyRotation": True},
        },
        "Alias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": "alias/storage", "TargetKeyId": {"Ref": "Key"}},
        },
    }

    stack = cloud.deploy(resources)

    kms = cloud.client("kms")
    assert kms.get_key_rotation_status(KeyId=stack.physical_id("Key"))["KeyRotationEnabled"]
    described = kms.describe_key(KeyId="alias/storage")["KeyMetadata"]
    assert described["KeyId"] == stack.physical_id("Key")


def test_a_budget_with_its_notification(cloud):
    """The ceiling of an environment, and who hears of it."""
    budget = {
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": 1000, "Unit": "USD"},
    }
    notification = {
        "Notification": {
            "NotificationType": "ACTUAL",
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": 80,
        },
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "team@example.com"}],
    }
    ceiling = {
        "Type": "AWS::Budgets::Budget",
        "Properties": {"Budget": budget, "NotificationsWithSubscribers": [notification]},
    }

    stack = cloud.deploy({"Ceiling": ceiling})

    client, name = cloud.client("budgets"), stack.physical_id("Ceiling")
    found = client.describe_budget(AccountId=cloud.account, BudgetName=name)["Budget"]
    assert float(found["BudgetLimit"]["Amount"]) == 1000
    notifications = client.describe_notifications_for_budget(
        AccountId=cloud.account, BudgetName=name
    )
    assert notifications["Notifications"][0]["Threshold"] == 80
    assert stack.delete() == "DELETE_COMPLETE"


@pytest.fixture
def slurm(vpc):
    """A PCS cluster with one node group and one queue."""
    profile = {"Fn::GetAtt": ["Profile", "Arn"]}
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
        "Group": group(),
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"InstanceType": "p4d.24xlarge"}},
        },
        "Cluster": {
            "Type": "AWS::PCS::Cluster",
            "Properties": {
                "Size": "LARGE",
                "Scheduler": {"Type": "SLURM", "Version": "25.05"},
                "Networking": {
                    "SubnetIds": [{"Ref": "Subnet"}],
                    "SecurityGroupIds": [{"Ref": "Group"}],
                },
                "SlurmConfiguration": {"ScaleDownIdleTimeInSeconds": 600},
                "Tags": {"Environment": "test"},
            },
        },
        "Nodes": {
            "Type": "AWS::PCS::ComputeNodeGroup",
            "Properties": {
                "ClusterId": {"Fn::GetAtt": ["Cluster", "Id"]},
                "IamInstanceProfileArn": profile,
                "InstanceConfigs": [{"InstanceType": "p4d.24xlarge"}],
                "ScalingConfiguration": {"MinInstanceCount": 0, "MaxInstanceCount": 4},
                "SubnetIds": [{"Ref": "Subnet"}],
                "CustomLaunchTemplate": {"TemplateId": {"Ref": "Template"}, "Version": "1"},
            },
        },
        "Queue": {
            "Type": "AWS::PCS::Queue",
            "Properties": {
                "ClusterId": {"Fn::GetAtt": ["Cluster", "Id"]},
                "ComputeNodeGroupConfigurations": [
                    {"ComputeNodeGroupId": {"Fn::GetAtt": ["Nodes", "Id"]}}
                ],
            },
        },
    }


def test_a_slurm_cluster_is_described_by_pcs(cloud, slurm):
    """Status reads size, network and scaling from PCS itself."""
    stack = cloud.deploy(slurm)

    assert stack.status == "CREATE_COMPLETE"
    pcs, arn = cloud.client("pcs"), stack.physical_id("Cluster")
    cluster = pcs.get_cluster(clusterIdentifier=arn.rsplit("/", 1)[-1])["cluster"]
    assert (cluster["size"], cluster["status"]) == ("LARGE", "ACTIVE")
    assert cluster["networking"]["subnetIds"] == [stack.physical_id("Subnet")]
    assert cluster["slurmConfiguration"]["scaleDownIdleTimeInSeconds"] == 600
    (nodes,) = pcs.list_compute_node_groups(clusterIdentifier=cluster["id"])["computeNodeGroups"]
    found = pcs.get_compute_node_group(
        clusterIdentifier=cluster["id"], computeNodeGroupIdentifier=nodes["id"]
    )["computeNodeGroup"]
    assert found["scalingConfiguration"]["maxInstanceCount"] == 4
    template = stack.physical_id("Template")
    assert found["customLaunchTemplate"] == {"id": template, "version": "1"}
    (queue,) = pcs.list_queues(clusterIdentifier=cluster["id"])["queues"]
    assert queue["status"] == "ACTIVE"
    assert pcs.list_tags_for_resource(resourceArn=arn)["tags"]["Environment"] == "test"
    assert stack.delete() == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("role", "profile", "words"),
    [
        ({}, {"Path": "/aws-pcs/"}, "must have a name that starts with AWSPCS"),
        ({"Path": "/team/aws-pcs/"}, {}, "or the path /aws-pcs/"),
        ({"RoleName": "nodes"}, {"InstanceProfileName": "AWSPCS-nodes"}, "The role nodes of"),
    ],
    ids=["path of the profile", "a path within another", "name of the profile"],
)
def test_pcs_refuses_a_role_that_is_not_named_for_it(cloud, slurm, role, profile, words):
    """What the profile is called does not matter; PCS says so at creation."""
    trust = {"AssumeRolePolicyDocument": TRUST}
    slurm["Role"]["Properties"] = {**trust, **role}
    slurm["Profile"]["Properties"].update(profile)

    stack = cloud.deploy(slurm)

    assert words in stack.reasons()


def test_pcs_takes_a_role_by_its_name_as_well(cloud, slurm):
    """A role outside of /aws-pcs/ is named AWSPCS*; its profile is named as one likes."""
    trust = {"AssumeRolePolicyDocument": TRUST}
    slurm["Role"]["Properties"] = {**trust, "RoleName": "AWSPCS-nodes"}

    assert cloud.deploy(slurm).status == "CREATE_COMPLETE"


def test_pcs_refuses_a_profile_that_is_not_there(cloud, slurm):
    """Nodes launched with it would have no role."""
    arn = f"arn:aws:iam::{cloud.account}:instance-profile/nobody"
    slurm["Nodes"]["Properties"]["IamInstanceProfileArn"] = arn

    assert "instance-profile/nobody does not exist" in cloud.deploy(slurm).reasons()


def test_pcs_refuses_a_launch_template_that_is_not_there(cloud, slurm):
    """Nothing could be launched on it."""
    slurm["Nodes"]["Properties"]["CustomLaunchTemplate"]["TemplateId"] = "lt-0123456789abcdef0"

    stack = cloud.deploy(slurm)

    assert "lt-0123456789abcdef0, does not exist" in stack.reasons()


def test_pcs_refuses_a_controller_that_reaches_nothing(cloud, slurm):
    """Rules are resources of their own: a cluster that is made first has groups without any."""
    nothing = {"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp", "FromPort": 252, "ToPort": 86}
    slurm["Group"]["Properties"]["SecurityGroupEgress"] = [nothing]
    slurm["Out"] = {
        "Type": "AWS::EC2::SecurityGroupEgress",
        "Properties": {
            "GroupId": {"Ref": "Group"},
            "IpProtocol": "tcp",
            "FromPort": 6817,
            "ToPort": 6819,
            "DestinationSecurityGroupId": {"Ref": "Group"},
        },
        "DependsOn": "Cluster",
    }
    assert "must have outbound rules" in cloud.deploy(slurm).reasons()

    del slurm["Out"]["DependsOn"]
    slurm["Cluster"]["DependsOn"] = "Out"
    assert cloud.deploy(slurm).status == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("resource", "name", "words"),
    [
        ("Cluster", "SuspendTime", "SuspendTime is not a custom setting that PCS takes"),
        ("Cluster", "MetricsType", "is only supported for Slurm version 25.11 or later"),
        ("Nodes", "Prolog", "Prolog is not a custom setting that PCS takes"),
        ("Nodes", "Sockets", "is only supported for Slurm version 25.11 or later"),
        ("Queue", "MaxNodes", "MaxNodes is not a custom setting that PCS takes"),
    ],
)
def test_pcs_takes_the_settings_of_its_list_alone(cloud, slurm, resource, name, words):
    """Slurm has hundreds of parameters; PCS owns most of them, and an older Slurm lacks some."""
    settings = [{"ParameterName": name, "ParameterValue": "1"}]
    slurm[resource]["Properties"]["SlurmConfiguration"] = {"SlurmCustomSettings": settings}

    assert words in cloud.deploy(slurm).reasons()


def test_pcs_deletes_queues_before_groups_and_groups_before_the_cluster(cloud, slurm):
    """aws-parallelcluster#6329: the other way round a teardown stops half way."""
    stack = cloud.deploy(slurm)
    stack_id = stack.description["StackId"]

    assert stack.delete() == "DELETE_COMPLETE"

    events = cloud.client("cloudformation").describe_stack_events(StackName=stack_id)
    # Newest first.
    gone = [
        event["LogicalResourceId"]
        for event in reversed(events["StackEvents"])
        if event["ResourceStatus"] == "DELETE_COMPLETE"
    ]
    assert gone.index("Queue") < gone.index("Nodes") < gone.index("Cluster")


def test_a_public_parameter_that_does_not_exist_is_not_found(cloud):
    """Only names that AWS publishes have a value."""
    with pytest.raises(ClientError, match="ParameterNotFound"):
        cloud.client("ssm").get_parameter(Name="/aws/service/deeplearning/ami/latest")


def homes(**more):
    return {
        "Homes": {"Type": "AWS::EFS::FileSystem", "Properties": {"Encrypted": True}},
        "Target": {
            "Type": "AWS::EFS::MountTarget",
            "Properties": {
                "FileSystemId": {"Ref": "Homes"},
                "SubnetId": {"Ref": "Subnet"},
                "SecurityGroups": [{"Ref": "Group"}],
            },
        },
        "Group": group(),
        **more,
    }


def test_a_mount_target_lives_in_its_subnet_and_its_group(cloud, vpc):
    """So that neither can be deleted before its interface, and the file system only after it."""
    stack = cloud.deploy({**vpc, **homes()})

    efs, ec2 = cloud.client("efs"), cloud.client("ec2")
    file_system = stack.physical_id("Homes")
    (target,) = efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"]
    (interface,) = ec2.describe_network_interfaces(
        NetworkInterfaceIds=[target["NetworkInterfaceId"]]
    )["NetworkInterfaces"]
    assert interface["SubnetId"] == target["SubnetId"] == stack.physical_id("Subnet")
    assert [each["GroupId"] for each in interface["Groups"]] == [stack.physical_id("Group")]
    with pytest.raises(ClientError, match="FileSystemInUse"):
        efs.delete_file_system(FileSystemId=file_system)
    assert stack.delete() == "DELETE_COMPLETE"
    left = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert target["NetworkInterfaceId"] not in [each["NetworkInterfaceId"] for each in left]


def test_a_zone_has_one_mount_target_of_a_file_system(cloud, vpc):
    """EFS refuses a second one (EFS user guide, managing mount targets)."""
    second = homes()["Target"] | {"DependsOn": "Target"}

    stack = cloud.deploy({**vpc, **homes(Second=second)})

    assert "MountTargetConflict" in stack.reasons()
