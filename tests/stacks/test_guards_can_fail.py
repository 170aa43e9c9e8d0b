"""Each guard of data, money and access notices what it is there for.

A template is spoiled in one place, as a change of a construct would spoil it; golden templates have
no say in it.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.constructs.bare import listed
from tests.stacks.invariants import INVARIANTS
from tests.stacks.synthesized import Synthesis

GONE = object()
Spoiled = tuple[str, str, Any]

PROPERTIES: tuple[Spoiled, ...] = (
    # Data.
    ("AWS::KMS::Key", "EnableKeyRotation", False),
    ("AWS::KMS::Key", "EnableKeyRotation", GONE),
    ("AWS::EFS::FileSystem", "KmsKeyId", GONE),
    ("AWS::EFS::FileSystem", "BackupPolicy.Status", "DISABLED"),
    ("AWS::FSx::FileSystem", "KmsKeyId", GONE),
    ("AWS::FSx::FileSystem", "LustreConfiguration.DeploymentType", "SCRATCH_2"),
    ("AWS::FSx::FileSystem", "LustreConfiguration.AutomaticBackupRetentionDays", 1),
    ("AWS::FSx::DataRepositoryAssociation", "S3.AutoExportPolicy", GONE),
    ("AWS::FSx::DataRepositoryAssociation", "S3.AutoExportPolicy.Events", ["NEW", "CHANGED"]),
    ("AWS::S3::Bucket", "VersioningConfiguration.Status", "Suspended"),
    ("AWS::S3::Bucket", "VersioningConfiguration", GONE),
    ("AWS::S3::Bucket", "BucketEncryption", GONE),
    ("AWS::S3::Bucket", "LoggingConfiguration", GONE),
    ("AWS::S3::Bucket", "LifecycleConfiguration.Rules.0.ExpirationInDays", 30),
    (
        "AWS::S3::Bucket",
        "LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays",
        1,
    ),
    ("AWS::ECR::Repository", "EncryptionConfiguration", GONE),
    ("AWS::ECR::Repository", "ImageTagMutability", "MUTABLE"),
    ("AWS::ECR::Repository", "EmptyOnDelete", True),
    ("AWS::Logs::LogGroup", "KmsKeyId", GONE),
    ("AWS::Logs::LogGroup", "RetentionInDays", 7),
    ("AWS::Logs::LogGroup", "RetentionInDays", GONE),
    ("AWS::SNS::Topic", "KmsMasterKeyId", GONE),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.BlockDeviceMappings.0.Ebs.Encrypted", False),
    (
        "AWS::S3::Bucket",
        "BucketEncryption.ServerSideEncryptionConfiguration.0.BucketKeyEnabled",
        GONE,
    ),
    ("AWS::FSx::DataRepositoryAssociation", "DataRepositoryPath", "s3://another/"),
    ("AWS::FSx::DataRepositoryAssociation", "FileSystemId", "fs-0123456789abcdef0"),
    ("AWS::FSx::FileSystem", "LustreConfiguration.DataCompressionType", GONE),
    ("AWS::FSx::FileSystem", "LustreConfiguration.MetadataConfiguration.Mode", "another"),
    # Records, and who is told.
    ("AWS::StepFunctions::StateMachine", "LoggingConfiguration.Level", "OFF"),
    ("AWS::StepFunctions::StateMachine", "LoggingConfiguration.Destinations", []),
    ("AWS::StepFunctions::StateMachine", "RoleArn", "another"),
    ("AWS::EC2::FlowLog", "LogDestinationType", "s3"),
    ("AWS::EC2::FlowLog", "LogGroupName", "another"),
    ("AWS::EC2::FlowLog", "DeliverLogsPermissionArn", "another"),
    ("AWS::FSx::FileSystem", "LustreConfiguration.LogConfiguration", GONE),
    ("AWS::Logs::Delivery", "DeliveryDestinationArn", "another"),
    ("AWS::Logs::DeliverySource", "LogType", "another"),
    ("AWS::Logs::DeliverySource", "ResourceArn", "another"),
    ("AWS::PCS::Cluster", "SlurmConfiguration.Accounting.Mode", "another"),
    ("AWS::SNS::TopicPolicy", "Topics", []),
    ("AWS::SNS::Subscription", "Endpoint", "stranger@example.com"),
    ("AWS::CloudWatch::Alarm", "AlarmActions", ["another"]),
    ("AWS::CloudWatch::Alarm InstanceUtilization", "ComparisonOperator", "GreaterThanThreshold"),
    ("AWS::CloudWatch::Alarm InstanceUtilization", "Dimensions.0.Value", "another"),
    ("AWS::CloudWatch::Alarm InstanceUtilization", "EvaluationPeriods", 288),
    ("AWS::CloudWatch::Alarm InstanceUtilization", "TreatMissingData", "notBreaching"),
    # Money.
    ("AWS::EC2::CapacityReservation", "InstanceCount", 30),
    ("AWS::EC2::CapacityReservation", "EndDateType", "limited"),
    ("AWS::EC2::CapacityReservation", "EndDate", "2027-01-01T00:00:00Z"),
    ("AWS::EC2::CapacityReservation", "InstanceMatchCriteria", "open"),
    ("AWS::EC2::CapacityReservation", "TagSpecifications", GONE),
    ("AWS::EC2::CapacityReservation", "TagSpecifications.0.ResourceType", "another"),
    ("AWS::EC2::CapacityReservation", "PlacementGroupArn", GONE),
    ("AWS::EC2::VPC", "InstanceTenancy", "dedicated"),
    ("AWS::EC2::VPCEndpoint", "RouteTableIds.0", GONE),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.Placement.Tenancy", "dedicated"),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.Placement.GroupName", GONE),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.BlockDeviceMappings.0.Ebs.VolumeType", "io2"),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.InstanceType", "p5.48xlarge"),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.TagSpecifications", []),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.BlockDeviceMappings.0.Ebs.VolumeSize", 2000),
    (
        "AWS::EC2::LaunchTemplate",
        "LaunchTemplateData.BlockDeviceMappings.0.Ebs.DeleteOnTermination",
        False,
    ),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.CapacityReservationSpecification", GONE),
    ("AWS::AutoScaling::AutoScalingGroup", "MaxSize", "3"),
    ("AWS::AutoScaling::AutoScalingGroup", "MinSize", "1"),
    ("AWS::AutoScaling::AutoScalingGroup", "DesiredCapacity", "2"),
    ("AWS::PCS::ComputeNodeGroup", "ScalingConfiguration.MaxInstanceCount", 30),
    ("AWS::PCS::ComputeNodeGroup", "ScalingConfiguration.MinInstanceCount", 9),
    ("AWS::PCS::ComputeNodeGroup", "Tags", GONE),
    ("AWS::PCS::ComputeNodeGroup", "PurchaseOption", "CAPACITY_BLOCK"),
    ("AWS::PCS::ComputeNodeGroup", "CustomLaunchTemplate.TemplateId", "another"),
    ("AWS::PCS::Cluster", "Size", "another"),
    ("AWS::PCS::Cluster", "SlurmConfiguration.ScaleDownIdleTimeInSeconds", 86400),
    ("AWS::Budgets::Budget", "Budget.BudgetLimit.Amount", 10**9),
    ("AWS::Budgets::Budget", "Budget.CostFilters", GONE),
    ("AWS::Budgets::Budget", "Budget.CostTypes.IncludeCredit", True),
    ("AWS::Budgets::Budget", "NotificationsWithSubscribers.0", GONE),
    ("AWS::Budgets::Budget", "NotificationsWithSubscribers.0.Subscribers", []),
    ("AWS::Budgets::Budget", "NotificationsWithSubscribers.0.Notification.Threshold", 1000),
    ("AWS::CloudWatch::Alarm", "AlarmActions", GONE),
    ("AWS::CloudWatch::Alarm", "ActionsEnabled", False),
    ("AWS::FSx::FileSystem", "StorageCapacity", 12000),
    ("AWS::FSx::FileSystem", "Tags", []),
    ("AWS::FSx::FileSystem", "LustreConfiguration.PerUnitStorageThroughput", 1000),
    # Access.
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.MetadataOptions.HttpTokens", "optional"),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit", 3),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.MetadataOptions", GONE),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.KeyName", "mine"),
    ("AWS::EC2::Subnet", "MapPublicIpOnLaunch", True),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.NetworkInterfaces.0.Groups", ["sg-0"]),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateData.NetworkInterfaces.0.SubnetId", "subnet-0"),
    ("AWS::EC2::Route", "NatGatewayId", GONE),
    ("AWS::EC2::FlowLog", "TrafficType", "REJECT"),
    ("AWS::EC2::SecurityGroup", "SecurityGroupEgress.0.IpProtocol", "-1"),
    ("AWS::EC2::SecurityGroup", "SecurityGroupIngress.0.CidrIp", "0.0.0.0/0"),
    ("AWS::EC2::SecurityGroupIngress", "CidrIp", "0.0.0.0/0"),
    ("AWS::EC2::SecurityGroupIngress", "FromPort", 22),
    ("AWS::EC2::SecurityGroupIngress", "SourceSecurityGroupId", "sg-0123456789abcdef0"),
    ("AWS::PCS::Cluster", "Networking.SecurityGroupIds", ["sg-0123456789abcdef0"]),
    ("AWS::PCS::ComputeNodeGroup", "SubnetIds", ["subnet-0123456789abcdef0"]),
    ("AWS::AutoScaling::AutoScalingGroup", "VPCZoneIdentifier", ["subnet-0123456789abcdef0"]),
    ("AWS::AutoScaling::AutoScalingGroup", "LaunchTemplate.LaunchTemplateId", "another"),
    ("AWS::EC2::VPCEndpoint", "SecurityGroupIds.0", "sg-0123456789abcdef0"),
    ("AWS::EC2::VPCEndpoint", "PolicyDocument", GONE),
    ("AWS::EC2::VPCEndpoint", "PolicyDocument.Statement.1.Condition", GONE),
    ("AWS::IAM::Role", "AssumeRolePolicyDocument.Statement.0.Principal", {"AWS": "*"}),
    ("AWS::IAM::Role", "AssumeRolePolicyDocument.Statement.0.Condition", GONE),
    ("AWS::IAM::Role", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ("AWS::IAM::Role", "Policies.0.PolicyDocument.Statement.0.Action", "*"),
    ("AWS::IAM::Role", "Policies.0.PolicyDocument.Statement.0.Resource", "*"),
    ("AWS::IAM::ManagedPolicy", "Roles", [{"Ref": "Another"}]),
    ("AWS::IAM::ManagedPolicy", "Users", ["somebody"]),
    ("AWS::EFS::FileSystem", "FileSystemPolicy", GONE),
    ("AWS::EFS::FileSystem", "FileSystemPolicy.Statement.0.Effect", "Allow"),
    ("AWS::KMS::Key", "KeyPolicy.Statement.0.Action", ["kms:Decrypt"]),
    ("AWS::KMS::Key", "KeyPolicy.Statement.0.Effect", "Deny"),
    ("AWS::KMS::Key", "KeyPolicy.Statement.1.Principal", "*"),
    ("AWS::KMS::Key", "KeyPolicy.Statement.1.Condition", GONE),
    ("AWS::KMS::Key", "KeyPolicy.Statement.1.Action", ["kms:*"]),
    ("AWS::S3::Bucket", "PublicAccessBlockConfiguration.BlockPublicPolicy", False),
    ("AWS::S3::Bucket", "PublicAccessBlockConfiguration", GONE),
    ("AWS::S3::BucketPolicy", "PolicyDocument.Statement.0", GONE),
    ("AWS::S3::BucketPolicy", "PolicyDocument.Statement.1.Condition.Null", GONE),
    ("AWS::S3::BucketPolicy", "PolicyDocument.Statement.2.Condition.Null", GONE),
    ("AWS::SNS::TopicPolicy", "PolicyDocument.Statement.0", GONE),
    ("AWS::SNS::TopicPolicy", "PolicyDocument.Statement.1.Condition", GONE),
    (
        "AWS::SNS::TopicPolicy",
        "PolicyDocument.Statement.1.Principal.Service",
        "ec2.amazonaws.com",
    ),
)
"""Type, for alarms with the name of a metric, path, and what stands there instead, at each
resource that has something there."""
STATEMENTS: tuple[Spoiled, ...] = (
    ("sagemaker:CreateTrainingJob", "Condition", GONE),
    ("sagemaker:CreateTrainingJob", "Condition.Null", GONE),
    (
        "sagemaker:CreateTrainingJob",
        "Condition.ForAllValues:StringEquals.sagemaker:InstanceTypes",
        GONE,
    ),
    (
        "sagemaker:CreateTrainingJob",
        "Condition.ForAllValues:StringEquals.sagemaker:VpcSubnets",
        ["subnet-0123456789abcdef0"],
    ),
    ("sagemaker:CreateTrainingJob", "Resource", "*"),
    ("sagemaker:StopTrainingJob", "Resource", "*"),
    ("iam:PassRole", "Condition", GONE),
    ("iam:PassRole", "Resource", "*"),
    ("logs:GetLogEvents", "Resource", "*"),
    ("ssm:SendCommand", "Resource", "*"),
    ("ssm:SendCommand", "Condition", GONE),
    ("ec2:DeleteNetworkInterface", "Condition", GONE),
    ("s3:GetObject", "Action", "s3:*"),
    ("s3:GetObject", "Action", ["s3:GetObject", "s3:DeleteObject"]),
    ("s3:GetObject", "Resource", "*"),
    ("kms:Decrypt", "Resource", "*"),
    ("elasticfilesystem:ClientMount", "Resource", "*"),
    ("ecr:BatchGetImage", "Resource", "*"),
    ("ecr:BatchGetImage", "Action", ["ecr:BatchGetImage", "ecr:DeleteRepository"]),
)
"""An action, and what is changed in each statement that allows it."""
KEPT = (
    "AWS::EC2::VPC",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::FSx::FileSystem",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::EC2::CapacityReservation",
)
PAID = ("AWS::EC2::EIP", "AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint", "AWS::PCS::Cluster")
"""Of what costs and goes with its stack."""


@pytest.fixture(scope="module")
def worlds(synthesis: Callable[[str], Synthesis]) -> Iterator[list[Synthesis]]:
    """Give what may be spoiled: data that is kept, and nodes of Slurm on reserved capacity."""
    found = (synthesis(name) for name in ("kept", "slurm-reserved"))
    copies = [
        Synthesis(each.environment, copy.deepcopy(each.templates), each.sizes) for each in found
    ]
    yield copies
    assert not any(map(notices, copies)), "what was spoiled was not mended again"


def notices(made: Synthesis) -> bool:
    """Return whether something does not hold."""
    for invariant in INVARIANTS:
        try:
            invariant(made)
        except (AssertionError, KeyError, TypeError, ValueError, IndexError):
            return True
    return False


def holder(body: Any, path: list[str]) -> tuple[Any, Any] | None:
    """Return what holds the end of a path, and its key there; None where nothing does."""
    *way, end = path
    value = body
    for part in way:
        key: Any = int(part) if isinstance(value, list) else part
        if not isinstance(value, dict | list) or not _has(value, key):
            return None
        value = value[key]
    return value, int(end) if isinstance(value, list) else end


def _has(value: Any, key: Any) -> bool:
    return key < len(value) if isinstance(value, list) else key in value


def spoiled(body: Any, path: str, value: Any) -> Iterator[None]:
    """Yield once, while a body has another value at a path; never where that changes nothing."""
    found = holder(body, path.split("."))
    if found is None:
        return
    inside, key = found
    there = _has(inside, key)
    if (value is GONE and not there) or (there and inside[key] == value):
        return
    was = copy.deepcopy(inside)
    if value is GONE:
        del inside[key]
    else:
        inside[key] = value
    yield
    inside.clear()
    inside.extend(was) if isinstance(was, list) else inside.update(was)


def bodies(made: Synthesis, what: str) -> list[Any]:
    """Return the properties of all resources of a type, or the statements that allow an action."""
    resources = [r for t in made.templates.values() for r in t["Resources"].values()]
    if "::" in what:
        kind, _, metric = what.partition(" ")
        found = [each.get("Properties", {}) for each in resources if each["Type"] == kind]
        return [each for each in found if metric in ("", each.get("MetricName"))]
    return [
        statement
        for each in resources
        if each["Type"] == "AWS::IAM::ManagedPolicy"
        for statement in each["Properties"]["PolicyDocument"]["Statement"]
        if what in listed(statement["Action"])
    ]


def test_everything_holds_before_anything_is_spoiled(worlds: list[Synthesis]):
    """Else all that follows would say nothing."""
    assert [made.environment.name for made in worlds if notices(made)] == []


@pytest.mark.parametrize(("what", "path", "value"), [*PROPERTIES, *STATEMENTS])
def test_what_guards_nothing_any_more_is_noticed(
    worlds: list[Synthesis], what: str, path: str, value: Any
):
    """At each resource by itself: one login node without encryption is one too many."""
    found = [
        notices(made)
        for made in worlds
        for body in bodies(made, what)
        for _ in spoiled(body, path, value)
    ]
    assert found
    assert all(found), f"{found.count(False)} of {len(found)} were not noticed"


@pytest.mark.parametrize("kind", [*KEPT, *PAID])
@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_what_would_be_deleted_is_noticed(worlds: list[Synthesis], kind: str, policy: str):
    """And so is what would be left behind where nothing is kept."""
    found = [
        notices(made)
        for made in worlds
        for template in made.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == kind
        for value in ("RetainExceptOnCreate", "Retain", *(("Delete",) if kind in KEPT else ()))
        for _ in spoiled(resource, policy, value)
    ]
    assert found
    assert all(found)


@pytest.mark.parametrize("kind", ["AWS::Budgets::Budget", "AWS::SNS::TopicPolicy"])
def test_what_is_not_there_is_noticed(worlds: list[Synthesis], kind: str):
    """Nobody would be told of anything, and no other resource would lack it."""
    found = []
    for made in worlds:
        for template in made.templates.values():
            was = template["Resources"]
            for name in [name for name, each in was.items() if each["Type"] == kind]:
                template["Resources"] = {key: each for key, each in was.items() if key != name}
                found.append(notices(made))
                template["Resources"] = was
    assert found
    assert all(found)
