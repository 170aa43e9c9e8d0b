"""Changes that reviewers must not overlook, with what each does."""

import json
from typing import Any, NamedTuple

from tests.review.goldens import add, append, drop, logical_id, put
from ultracluster.review.changes.change import Danger

LOSES, REPLACES, FAILS = Danger.LOSES_DATA, Danger.REPLACES, Danger.FAILS
INTERRUPTS, REDUCES = Danger.INTERRUPTS, Danger.REDUCES_CAPACITY
LOOSENS, UNTOLD = Danger.LOOSENS_SECURITY, Danger.CANNOT_TELL
COSTS, HARMLESS = Danger.COSTS_MORE, Danger.HARMLESS

LUSTRE, NODES, TEMPLATE = "Storage/Lustre", "Cluster/Nodes", "Cluster/LaunchTemplate"
NODE_GROUP = {
    "Fn::ImportValue": "ultracluster-Network:ExportsOutputFnGetAttNodesC12DF151GroupId769E94E0"
}


class Planted(NamedTuple):
    """One edit of the golden templates."""

    name: str
    edit: Any
    worst: Danger
    at: str
    """Construct path of the line that must say so; empty for a line about no resource."""
    says: tuple[str, ...] = ()
    also: tuple[Danger, ...] = ()
    environment: str = "ultracluster"


def _rename(path: str, new: str):
    def edit(templates):
        stack, old = logical_id(templates, path)
        templates[stack] = json.loads(json.dumps(templates[stack]).replace(old, new))

    return edit


def _move(path: str, to: str):
    def edit(templates):
        stack, name = logical_id(templates, path)
        templates[to]["Resources"][name] = templates[stack]["Resources"].pop(name)

    return edit


def _section(stack: str, section: str, value: Any):
    return lambda templates: templates[stack].__setitem__(section, value)


def _all(*edits):
    def edit(templates):
        for each in edits:
            each(templates)

    return edit


def _output_removed(templates):
    outputs = templates["Network"]["Outputs"]
    del outputs[next(name for name in outputs if "Vpc" in name)]


def _image_path(templates):
    parameters = templates["Cluster"]["Parameters"]
    parameters[next(n for n in parameters if n.startswith("Ssm"))]["Default"] = "/mine/ami"


def _second_statement(action: str):
    return {"Effect": "Allow", "Action": action, "Resource": "*"}


OPEN_EGRESS = [{"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}]
OPEN_INGRESS = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
EXECUTION = "Training/ExecutionRole/Policy"

TWELVE = (
    Planted(
        "a security group swap replaces the file system",
        put(LUSTRE, "SecurityGroupIds", [NODE_GROUP]),
        REPLACES,
        LUSTRE,
        ("98.4 TiB",),
    ),
    Planted(
        "a subnet change replaces the subnet",
        put("Network/Network/Training0Subnet", "CidrBlock", "10.2.16.0/20"),
        REPLACES,
        "Network/Network/Training0Subnet",
        (),
        (FAILS,),
    ),
    Planted(
        "another throughput tier replaces the file system, as CloudFormation does it",
        put(LUSTRE, "LustreConfiguration.PerUnitStorageThroughput", 500),
        REPLACES,
        LUSTRE,
        ("1000 to 500 MB/s", "98.4 GB/s to 49.2 GB/s"),
        (INTERRUPTS, REDUCES),
    ),
    Planted(
        "half the reservation is given back",
        put("Cluster/Placement/Reservation", "InstanceCount", 256),
        REDUCES,
        "Cluster/Placement/Reservation",
        ("256 p4d.24xlarge (2,048 A100)",),
    ),
    Planted(
        "retention removed loses the data with the stack",
        _all(
            put(LUSTRE, "@DeletionPolicy", "Delete"), put(LUSTRE, "@UpdateReplacePolicy", "Delete")
        ),
        LOSES,
        LUSTRE,
        ("98.4 TiB",),
    ),
    Planted(
        "egress opened",
        put("Network/Nodes", "SecurityGroupEgress", OPEN_EGRESS),
        LOOSENS,
        "Network/Nodes",
        ("anybody on the internet",),
    ),
    Planted(
        "a role widened",
        append(EXECUTION, "PolicyDocument.Statement.1.Action", "s3:DeleteObject"),
        LOOSENS,
        EXECUTION,
        ("ExecutionRole", "s3:DeleteObject", "bucket Data"),
    ),
    Planted(
        "fewer nodes",
        put(NODES, "MaxSize", "1"),
        REDUCES,
        NODES,
        ("8 A100", "instead of 2"),
        environment="dev",
    ),
    Planted(
        "a tag on a placement group replaces it",
        put("Cluster/Placement/Group", "Tags", [{"Key": "team", "Value": "x"}]),
        REPLACES,
        "Cluster/Placement/Group",
    ),
    Planted(
        "an endpoint removed",
        drop("Network/Network/S3"),
        INTERRUPTS,
        "Network/Network/S3",
        ("s3", "NAT gateway"),
        (COSTS,),
    ),
    Planted(
        "logs kept for a shorter time",
        put("Network/Network/FlowLogGroup", "RetentionInDays", 30),
        LOSES,
        "Network/Network/FlowLogGroup",
        ("30 days", "365 days"),
    ),
    Planted("a mere description", _section("Storage", "Description", "Files"), HARMLESS, ""),
)

STORAGE = (
    Planted(
        "a bigger file system",
        put(LUSTRE, "StorageCapacity", 201600),
        INTERRUPTS,
        LUSTRE,
        ("98.4 TiB to 196.9 TiB",),
        (COSTS,),
    ),
    Planted(
        "a smaller file system",
        put(LUSTRE, "StorageCapacity", 50400),
        FAILS,
        LUSTRE,
        ("refuses",),
        (REDUCES,),
    ),
    Planted(
        "another key", put(LUSTRE, "KmsKeyId", "arn:aws:kms:us-east-1:1:key/2"), REPLACES, LUSTRE
    ),
    Planted(
        "another deployment type",
        put(LUSTRE, "LustreConfiguration.DeploymentType", "SCRATCH_2"),
        REPLACES,
        LUSTRE,
    ),
    Planted(
        "another maintenance window",
        put(LUSTRE, "LustreConfiguration.WeeklyMaintenanceStartTime", "1:01:00"),
        HARMLESS,
        LUSTRE,
    ),
    Planted(
        "another compression",
        put(LUSTRE, "LustreConfiguration.DataCompressionType", "NONE"),
        HARMLESS,
        LUSTRE,
    ),
    Planted(
        "EFA on a file system that is there",
        put(LUSTRE, "LustreConfiguration.EfaEnabled", True),
        FAILS,
        LUSTRE,
    ),
    Planted(
        "the file system removed, and kept",
        drop(LUSTRE),
        REDUCES,
        LUSTRE,
        ("98.4 TiB", "stay in the account"),
    ),
    Planted(
        "the file system removed, and not kept",
        _all(put(LUSTRE, "@DeletionPolicy", "Delete"), drop(LUSTRE)),
        REDUCES,
        LUSTRE,
    ),
    Planted(
        "the file system renamed",
        _rename(LUSTRE, "LustreOther"),
        REPLACES,
        LUSTRE,
        ("replaced by a new one",),
    ),
    Planted(
        "a link to S3 removed",
        drop("Storage/Lustre/Repository1"),
        INTERRUPTS,
        "Storage/Lustre/Repository1",
        ("/checkpoints", "not exported"),
    ),
    Planted(
        "a link to S3 from another prefix",
        put("Storage/Lustre/Repository0", "FileSystemPath", "/other"),
        REPLACES,
        "Storage/Lustre/Repository0",
    ),
    Planted(
        "versions of objects expire sooner",
        put(
            "Storage/Data",
            "LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays",
            1,
        ),
        LOSES,
        "Storage/Data",
        ("1 day", "3 days"),
    ),
    Planted(
        "an alarm that tells nobody",
        put("Cluster/Observability/gpu-lost", "ActionsEnabled", False),
        LOOSENS,
        "Cluster/Observability/gpu-lost",
        ("nobody is told",),
    ),
    Planted(
        "an alarm removed",
        drop("Cluster/Observability/gpu-lost"),
        LOOSENS,
        "Cluster/Observability/gpu-lost",
        ("nobody is told",),
    ),
    Planted(
        "objects expire",
        put("Storage/Data", "LifecycleConfiguration.Rules.0.ExpirationInDays", 30),
        LOSES,
        "Storage/Data",
        ("30 days", "never"),
    ),
    Planted(
        "versioning off",
        put("Storage/Data", "VersioningConfiguration.Status", "Suspended"),
        LOSES,
        "Storage/Data",
    ),
    Planted(
        "public access no longer blocked",
        drop("Storage/Data", "PublicAccessBlockConfiguration"),
        LOOSENS,
        "Storage/Data",
        ("BlockPublicPolicy",),
    ),
    Planted(
        "a bucket without the customer's key",
        drop("Storage/Data", "BucketEncryption"),
        LOOSENS,
        "Storage/Data",
    ),
    Planted(
        "access no longer logged",
        drop("Storage/Data", "LoggingConfiguration"),
        LOOSENS,
        "Storage/Data",
    ),
    Planted(
        "a bucket named by hand",
        put("Storage/Data", "BucketName", "mine"),
        REPLACES,
        "Storage/Data",
    ),
    Planted(
        "a key no longer rotated",
        put("Storage/Key", "EnableKeyRotation", value=False),
        LOOSENS,
        "Storage/Key",
    ),
    Planted("a key off", put("Storage/Key", "Enabled", value=False), INTERRUPTS, "Storage/Key"),
    Planted(
        "logs kept for longer",
        put("Network/Network/FlowLogGroup", "RetentionInDays", 730),
        COSTS,
        "Network/Network/FlowLogGroup",
    ),
    Planted(
        "logs kept for ever",
        drop("Network/Network/FlowLogGroup", "RetentionInDays"),
        COSTS,
        "Network/Network/FlowLogGroup",
        ("for ever",),
    ),
    Planted(
        "a log group removed without retention",
        _all(put("Storage/Lustre/LogGroup", "@DeletionPolicy", "Delete")),
        LOSES,
        "Storage/Lustre/LogGroup",
    ),
    Planted(
        "tags of images may move",
        put("Training/Images", "ImageTagMutability", "MUTABLE"),
        LOOSENS,
        "Training/Images",
    ),
    Planted(
        "images go with the repository",
        put("Training/Images", "EmptyOnDelete", value=True),
        LOSES,
        "Training/Images",
    ),
)

NETWORK = (
    Planted(
        "the fabric no longer admits itself",
        drop("Network/Fabric/Ingress"),
        INTERRUPTS,
        "Network/Fabric/Ingress",
        ("EFA stops",),
    ),
    Planted(
        "SSH from anywhere",
        add(
            "Network",
            "Ssh",
            "AWS::EC2::SecurityGroupIngress",
            **OPEN_INGRESS,
            GroupId={"Fn::GetAtt": ["NodesC12DF151", "GroupId"]},
        ),
        LOOSENS,
        "",
        ("tcp 22", "anybody on the internet"),
    ),
    Planted(
        "another description of a group replaces it and the file system",
        put("Storage/Lustre/Group", "GroupDescription", "x"),
        REPLACES,
        LUSTRE,
    ),
    Planted(
        "another description of a rule",
        put("Network/Fabric/Egress", "Description", "x"),
        HARMLESS,
        "Network/Fabric/Egress",
    ),
    Planted(
        "HTTPS from a narrower block",
        put("Network/Network/Endpoints/Group", "SecurityGroupIngress.0.CidrIp", "10.2.0.0/20"),
        INTERRUPTS,
        "Network/Network/Endpoints/Group",
    ),
    Planted(
        "HTTPS from a wider block",
        put("Network/Network/Endpoints/Group", "SecurityGroupIngress.0.CidrIp", "10.0.0.0/8"),
        LOOSENS,
        "Network/Network/Endpoints/Group",
    ),
    Planted(
        "egress removed lets nothing out of a group that is there",
        drop("Network/Nodes", "SecurityGroupEgress"),
        INTERRUPTS,
        "Network/Nodes",
    ),
    Planted(
        "a Lustre port closed",
        drop("Storage/Lustre/FromClient0988In"),
        INTERRUPTS,
        "Storage/Lustre/FromClient0988In",
        ("988",),
    ),
    Planted(
        "private names off",
        put("Network/Network/Endpoints/sts", "PrivateDnsEnabled", value=False),
        INTERRUPTS,
        "Network/Network/Endpoints/sts",
    ),
    Planted(
        "another service",
        put("Network/Network/Endpoints/sts", "ServiceName", "com.amazonaws.us-east-1.sqs"),
        REPLACES,
        "Network/Network/Endpoints/sts",
    ),
    Planted(
        "one more endpoint",
        add(
            "Network",
            "Sqs",
            "AWS::EC2::VPCEndpoint",
            VpcEndpointType="Interface",
            ServiceName="com.amazonaws.us-east-1.sqs",
            VpcId={"Ref": "NetworkVpc7FB7348F"},
        ),
        COSTS,
        "",
        ("sqs",),
    ),
    Planted(
        "no names in the VPC",
        put("Network/Network/Vpc", "EnableDnsSupport", value=False),
        INTERRUPTS,
        "Network/Network/Vpc",
    ),
    Planted(
        "another VPC block",
        put("Network/Network/Vpc", "CidrBlock", "10.3.0.0/16"),
        REPLACES,
        "Network/Network/Vpc",
    ),
    Planted(
        "public addresses",
        put("Network/Network/Training0Subnet", "MapPublicIpOnLaunch", value=True),
        LOOSENS,
        "Network/Network/Training0Subnet",
    ),
    Planted("no way out", drop("Network/Network/ToNat0"), INTERRUPTS, "Network/Network/ToNat0"),
    Planted(
        "traffic no longer recorded",
        drop("Network/Network/FlowLog"),
        LOOSENS,
        "Network/Network/FlowLog",
    ),
    Planted(
        "another zone",
        put("Network/Network/Training0Subnet", "AvailabilityZoneId", "use1-az4"),
        REPLACES,
        "Network/Network/Training0Subnet",
    ),
)

NODES_AND_ROLES = (
    Planted(
        "more nodes",
        put(NODES, "MaxSize", "600"),
        COSTS,
        NODES,
        environment="dev",
    ),
    Planted(
        "nodes that start at once",
        put(NODES, "MinSize", "4"),
        COSTS,
        NODES,
        environment="dev",
    ),
    Planted(
        "more reserved",
        put("Cluster/Placement/Reservation", "InstanceCount", 600),
        COSTS,
        "Cluster/Placement/Reservation",
    ),
    Planted(
        "a reservation that ends",
        _all(
            put("Cluster/Placement/Reservation", "EndDateType", "limited"),
            put("Cluster/Placement/Reservation", "EndDate", "2027-01-01T00:00:00Z"),
        ),
        REDUCES,
        "Cluster/Placement/Reservation",
    ),
    Planted(
        "another reserved type",
        put("Cluster/Placement/Reservation", "InstanceType", "p4de.24xlarge"),
        REPLACES,
        "Cluster/Placement/Reservation",
        (),
        (REDUCES,),
    ),
    Planted(
        "no reservation",
        drop("Cluster/Placement/Reservation"),
        COSTS,
        "Cluster/Placement/Reservation",
        ("charged until somebody cancels it",),
    ),
    Planted(
        "spread",
        put("Cluster/Placement/Group", "Strategy", "spread"),
        REPLACES,
        "Cluster/Placement/Group",
    ),
    Planted(
        "another image",
        _image_path,
        INTERRUPTS,
        TEMPLATE,
        ("launched from now on",),
        environment="dev",
    ),
    Planted(
        "credentials without a token",
        put(TEMPLATE, "LaunchTemplateData.MetadataOptions.HttpTokens", "optional"),
        LOOSENS,
        TEMPLATE,
        (),
        (LOOSENS,),
        environment="dev",
    ),
    Planted(
        "plain volumes",
        put(TEMPLATE, "LaunchTemplateData.BlockDeviceMappings.0.Ebs.Encrypted", value=False),
        LOOSENS,
        TEMPLATE,
        (),
        (LOOSENS,),
        environment="dev",
    ),
    Planted(
        "fewer EFA devices",
        drop(TEMPLATE, "LaunchTemplateData.NetworkInterfaces.4"),
        INTERRUPTS,
        TEMPLATE,
        ("3 EFA devices instead of 4",),
        (REDUCES,),
        environment="dev",
    ),
    Planted(
        "smaller nodes",
        put(TEMPLATE, "LaunchTemplateData.InstanceType", "g4dn.8xlarge"),
        INTERRUPTS,
        TEMPLATE,
        (),
        (REDUCES,),
        environment="dev",
    ),
    Planted(
        "nodes rolled by policy",
        _all(
            put(NODES, "@UpdatePolicy", {"AutoScalingRollingUpdate": {"MaxBatchSize": 8}}),
            put(TEMPLATE, "LaunchTemplateData.InstanceType", "p4de.24xlarge"),
        ),
        INTERRUPTS,
        TEMPLATE,
        ("batches of 8",),
        environment="dev",
    ),
    Planted(
        "nodes replaced by policy",
        _all(
            put(NODES, "@UpdatePolicy", {"AutoScalingReplacingUpdate": {"WillReplace": True}}),
            put(TEMPLATE, "LaunchTemplateData.InstanceType", "p4de.24xlarge"),
        ),
        REPLACES,
        TEMPLATE,
        environment="dev",
    ),
    Planted(
        "a tag of the nodes",
        put(NODES, "Tags.0.Value", "x"),
        HARMLESS,
        NODES,
        environment="dev",
    ),
    Planted(
        "a role narrowed",
        drop(EXECUTION, "PolicyDocument.Statement.1.Action.2"),
        INTERRUPTS,
        EXECUTION,
        ("s3:PutObject",),
    ),
    Planted(
        "a condition removed",
        drop(EXECUTION, "PolicyDocument.Statement.7.Condition"),
        LOOSENS,
        EXECUTION,
    ),
    Planted(
        "administrator",
        append(EXECUTION, "PolicyDocument.Statement", _second_statement("*")),
        LOOSENS,
        EXECUTION,
    ),
    Planted(
        "what was allowed already",
        append(
            "Cluster/NodeRole/Policy",
            "PolicyDocument.Statement",
            _second_statement("ecr:GetAuthorizationToken"),
        ),
        HARMLESS,
        "Cluster/NodeRole/Policy",
        environment="dev",
    ),
    Planted(
        "a trust without its guard",
        drop("Training/ExecutionRole", "AssumeRolePolicyDocument.Statement.0.Condition"),
        LOOSENS,
        "Training/ExecutionRole",
    ),
    Planted(
        "a trust of anybody",
        put("Training/LauncherRole", "AssumeRolePolicyDocument.Statement.0.Principal", "*"),
        LOOSENS,
        "Training/LauncherRole",
        ("anybody",),
    ),
    Planted(
        "a policy of AWS",
        put(
            "Cluster/NodeRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]
        ),
        LOOSENS,
        "Cluster/NodeRole",
        environment="dev",
    ),
    Planted(
        "a statement that denied gone",
        drop("Storage/Data/Policy", "PolicyDocument.Statement.0"),
        LOOSENS,
        "Storage/Data/Policy",
    ),
    Planted(
        "a bucket for everybody",
        append(
            "Storage/Data/Policy",
            "PolicyDocument.Statement",
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"},
        ),
        LOOSENS,
        "Storage/Data/Policy",
        ("anybody",),
    ),
    Planted(
        "another description of a policy replaces it",
        put(EXECUTION, "Description", "x"),
        REPLACES,
        EXECUTION,
    ),
    Planted(
        "another description of a role",
        put("Training/LauncherRole", "Description", "x"),
        HARMLESS,
        "Training/LauncherRole",
    ),
    Planted(
        "another name of a parameter",
        put("Training/Parameters/instance-type", "Name", "/x"),
        REPLACES,
        "Training/Parameters/instance-type",
    ),
    Planted(
        "another value of a parameter",
        put("Training/Parameters/instance-type", "Value", "x"),
        HARMLESS,
        "Training/Parameters/instance-type",
    ),
    Planted(
        "a role moved to another stack",
        _move("Training/LauncherRole", "Cluster"),
        REPLACES,
        "Training/LauncherRole",
        ("Training to Cluster",),
    ),
    Planted("an export that others import removed", _output_removed, FAILS, "", ("imports",)),
    Planted(
        "another type",
        put(NODES, "@Type", "AWS::EC2::EC2Fleet"),
        REPLACES,
        NODES,
        (),
        (FAILS,),
        environment="dev",
    ),
    Planted(
        "notes",
        put(NODES, "@Metadata", {"aws:cdk:path": "ultracluster/Cluster/Nodes/Resource", "note": 1}),
        HARMLESS,
        NODES,
        environment="dev",
    ),
    Planted(
        "an order",
        put(NODES, "@DependsOn", ["NodeRoleEA880897"]),
        HARMLESS,
        NODES,
        environment="dev",
    ),
    Planted(
        "a custom resource",
        put(
            "Network/Network/Vpc/RestrictDefaultSecurityGroupCustomResource/Default", "Account", "1"
        ),
        UNTOLD,
        "Network/Network/Vpc/RestrictDefaultSecurityGroupCustomResource/Default",
    ),
    Planted(
        "PCS's health checks",
        add("Cluster", "Checks", "Custom::InstanceHealthChecks", Cluster="c", Group="g"),
        INTERRUPTS,
        "",
    ),
    Planted("a type that nobody knows", add("Network", "X", "Mine::X::Y", A=1), UNTOLD, ""),
    Planted(
        "a property that nobody knows",
        put(NODES, "Colour", "red"),
        UNTOLD,
        NODES,
        environment="dev",
    ),
    Planted(
        "a higher ceiling of money",
        put("Network/Budget", "Budget.BudgetLimit.Amount", 10**9),
        COSTS,
        "Network/Budget",
    ),
    Planted("nobody told of what is spent", drop("Network/Budget"), LOOSENS, "Network/Budget"),
    Planted("a transform", _section("Network", "Transform", "Mine"), UNTOLD, ""),
)

PLANTED = (*TWELVE, *STORAGE, *NETWORK, *NODES_AND_ROLES)
