"""Single values of golden templates, each made wrong, and the rules of which one must name it.

A row names the resource by its type and a part of its id, and the value by its path below the
properties; `@` before a path means an attribute of the resource itself.
"""

from typing import Any, Final, NamedTuple

from tests.rules.rule_cases import GONE

OTHER_KEY: Final = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


class Planted(NamedTuple):
    """One wrong value."""

    name: str
    rules: str
    """Rules with a space between them."""
    kind: str
    """Type without `AWS::`, a space, and a part of the id."""
    path: str
    value: Any = GONE
    beside: str = ""
    """Type without `AWS::` of something without which it is no fault."""

    def resource(self, stacks: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
        """Return the first resource that is meant, None where an environment has none."""
        kind, _, part = self.kind.partition(" ")
        for template in stacks.values():
            for name, resource in template["Resources"].items():
                if resource["Type"] == f"AWS::{kind}" and part in name:
                    found: dict[str, Any] = resource
                    return found
        return None

    def place(self, stacks: dict[str, dict[str, Any]]) -> tuple[Any, int | str] | None:
        """Return what holds the value, and its name or index there; None where it is not there."""
        *way, last = self.path.removeprefix("@").split(".")
        resource = self.resource(stacks)
        here: Any = (
            resource if self.path.startswith("@") or resource is None else resource["Properties"]
        )
        for step in way:
            if isinstance(here, list):
                here = here[int(step)] if int(step) < len(here) else None
            else:
                here = here.get(step) if isinstance(here, dict) else None
        if here is None or (self.value is GONE and isinstance(here, dict) and last not in here):
            return None
        if isinstance(here, list):
            return (here, int(last)) if int(last) < len(here) else None
        return here, last

    def applies(self, stacks: dict[str, dict[str, Any]]) -> bool:
        types = {r["Type"] for t in stacks.values() for r in t["Resources"].values()}
        return self.place(stacks) is not None and (
            not self.beside or f"AWS::{self.beside}" in types
        )

    def plant(self, stacks: dict[str, dict[str, Any]]) -> None:
        """Make the value wrong."""
        found = self.place(stacks)
        assert found
        here, last = found
        if self.value is GONE:
            del here[last]
        else:
            here[last] = self.value


def att(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


NODES: Final = "EC2::LaunchTemplate LaunchTemplate"
DATA: Final = "LaunchTemplateData"
RESERVED: Final = "EC2::CapacityReservation "
LOG_KEY: Final = "KMS::Key LogKey"
DATA_KEY: Final = "KMS::Key KeyE4"
TRUSTED: Final = "AssumeRolePolicyDocument.Statement.0.Condition"
FIRST: Final = "PolicyDocument.Statement.0"
JOBS: Final = "IAM::ManagedPolicy ExecutionRolePolicy"
STATES: Final = "IAM::ManagedPolicy UnattendedPolicy"
DATA_BUCKET: Final = "S3::Bucket Data2"
IMAGES: Final = "ECR::Repository "
OPEN: Final = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
PUBLIC: Final = att("NetworkPublicRoutes63720B20", "RouteTableId")
PRIVATE: Final = att("NetworkTraining0RoutesEE1A79EA", "RouteTableId")

PLANTED: Final = (
    Planted("no placement group", "CAPACITY-3 CAPACITY-3", NODES, f"{DATA}.Placement.GroupName"),
    Planted("a reservation for Windows", "CAPACITY-14", RESERVED, "InstancePlatform", "Windows"),
    Planted("a dedicated reservation", "CAPACITY-14", RESERVED, "Tenancy", "dedicated"),
    Planted(
        "nodes on Spot", "CAPACITY-14", "PCS::ComputeNodeGroup LargeNodes", "PurchaseOption", "SPOT"
    ),
    Planted("a group that nobody makes", "CAPACITY-3", NODES, f"{DATA}.Placement.GroupName", "x"),
    Planted(
        "flow logs elsewhere",
        "SAFETY-20",
        "EC2::FlowLog ",
        "LogGroupName",
        "NetworkFlowLogGroup4F8CEEEF",
    ),
    Planted(
        "flow logs without rights", "SAFETY-20", "IAM::ManagedPolicy FlowLog", f"{FIRST}.Action.2"
    ),
    Planted(
        "maintenance on day 0",
        "LUSTRE-1",
        "FSx::FileSystem ",
        "LustreConfiguration.WeeklyMaintenanceStartTime",
        "0:03:00",
    ),
    Planted("a key of another Region", "SAFETY-26", "FSx::FileSystem ", "KmsKeyId", OTHER_KEY),
    Planted(
        "checkpoints not exported",
        "LUSTRE-28",
        "FSx::DataRepositoryAssociation LustreRepository1",
        "S3",
    ),
    Planted(
        "FSx shut out",
        "SAFETY-16",
        DATA_KEY,
        "KeyPolicy.Statement.1",
        beside="FSx::DataRepositoryAssociation",
    ),
    Planted("Logs shut out", "SAFETY-16", LOG_KEY, "KeyPolicy.Statement.1"),
    Planted("Budgets or alarms without key", "SAFETY-16", LOG_KEY, "KeyPolicy.Statement.2"),
    Planted("nobody publishes", "SAFETY-16", "SNS::TopicPolicy ", "PolicyDocument.Statement.1"),
    Planted("everybody denied", "SAFETY-17", "SNS::TopicPolicy ", f"{FIRST}.Condition"),
    Planted("trust of SageMaker", "SAGEMAKER-16", "IAM::Role ExecutionRole", TRUSTED),
    Planted("trust of Step Functions", "SAGEMAKER-16", "IAM::Role UnattendedRole", TRUSTED),
    Planted("trust of Budgets", "SAGEMAKER-16", LOG_KEY, "KeyPolicy.Statement.2.Condition"),
    Planted("a job that is not waited for", "SAFETY-20", STATES, "PolicyDocument.Statement.3"),
    Planted(
        "a role that is not the machine's",
        "SAFETY-20",
        "StepFunctions::StateMachine ",
        "RoleArn",
        att("ExecutionRoleFAA49FA6", "Arn"),
    ),
    Planted("every action", "SAGEMAKER-17", JOBS, f"{FIRST}.Action", "*"),
    Planted("every bucket", "SAGEMAKER-18", JOBS, "PolicyDocument.Statement.1.Resource", "*"),
    Planted("a public bucket", "SAFETY-19", "S3::BucketPolicy DataPolicy", FIRST, OPEN),
    Planted(
        "a block that is off",
        "SAFETY-19",
        DATA_BUCKET,
        "PublicAccessBlockConfiguration.BlockPublicPolicy",
        value=False,
    ),
    Planted("a key for anybody", "SAFETY-18", DATA_KEY, "KeyPolicy.Statement.1.Condition"),
    Planted("a key for nobody", "SAFETY-17", DATA_KEY, "KeyPolicy.Statement.0"),
    Planted(
        "data that expires",
        "SAFETY-22",
        DATA_BUCKET,
        "LifecycleConfiguration.Rules.0.ExpirationInDays",
        14,
    ),
    Planted("a queue of nothing", "SLURM-12", "PCS::Queue ", "ComputeNodeGroupConfigurations.0"),
    Planted(
        "slurmd shut", "SLURM-9", "EC2::SecurityGroupIngress SlurmGroupDaemons", "ToPort", 6817
    ),
    Planted("nodes elsewhere", "SLURM-9", NODES, f"{DATA}.NetworkInterfaces.0.Groups.2"),
    Planted("no default queue", "SLURM-12", "PCS::Queue ", "SlurmConfiguration"),
    Planted("S3 through NAT", "FABRIC-37", "EC2::VPCEndpoint NetworkS3", "RouteTableIds", [PUBLIC]),
    Planted(
        "training in public",
        "FABRIC-38",
        "EC2::SubnetRouteTableAssociation Training0",
        "RouteTableId",
        PUBLIC,
    ),
    Planted(
        "a NAT gateway in private",
        "FABRIC-38",
        "EC2::SubnetRouteTableAssociation NetworkPublic",
        "RouteTableId",
        PRIVATE,
    ),
    Planted(
        "endpoints of another network",
        "FABRIC-35",
        "EC2::SecurityGroup NetworkEndpointsGroup",
        "SecurityGroupIngress.0.CidrIp",
        "192.168.0.0/16",
    ),
    Planted(
        "endpoints for a network more",
        "FABRIC-36",
        "EC2::SecurityGroup NetworkEndpointsGroup",
        "SecurityGroupIngress.0.CidrIp",
        "10.0.0.0/8",
    ),
    Planted(
        "another root device",
        "SAFETY-24",
        "EC2::LaunchTemplate LoginTemplate",
        f"{DATA}.BlockDeviceMappings.0.DeviceName",
        "/dev/xvda",
    ),
    Planted("images overwritten", "SAFETY-22", IMAGES, "ImageTagMutability", "MUTABLE"),
    Planted("nodes in no budget", "SAFETY-25", NODES, f"{DATA}.TagSpecifications"),
    Planted("capacity first", "CAPACITY-26", RESERVED, "@DependsOn"),
    Planted(
        "an interface without subnet", "SLURM-15", NODES, f"{DATA}.NetworkInterfaces.2.SubnetId"
    ),
    Planted(
        "associations at once",
        "LUSTRE-15",
        "FSx::DataRepositoryAssociation LustreRepository1",
        "@DependsOn",
    ),
    Planted(
        "a log that nobody keeps", "OPERATE-2", "Logs::DeliverySource ", "LogType", "PCS_OTHER"
    ),
    Planted("a cluster in a hurry", "SLURM-16", "PCS::Cluster ", "@DependsOn"),
    Planted(
        "nodes that send no metrics",
        "OPERATE-1",
        "IAM::ManagedPolicy ProgramsPolicy",
        "PolicyDocument.Statement.1.Effect",
        "Deny",
        beside="PCS::ComputeNodeGroup",
    ),
    Planted("idle capacity unseen", "OPERATE-4", "CloudWatch::Alarm Idle", "Namespace", "AWS/EC2"),
    Planted("nobody subscribes", "OPERATE-3", "SNS::Subscription ", "TopicArn", "arn:aws:sns:x"),
    Planted(
        "a group for a subnet",
        "SAFETY-26",
        "EC2::VPCEndpoint NetworkEndpoints",
        "SubnetIds.0",
        att("NetworkEndpointsGroup2C9B1A1F", "GroupId"),
    ),
    Planted("a route without table", "SAFETY-26", "EC2::Route ", "RouteTableId"),
)
"""Kinds of fault that hurt on AWS, each as one value."""
