"""What services show of an environment, and what is left, and why, when it is destroyed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.rehearse.deployment import Resource
from ultracluster.rehearse.proof import Check, Evidence, all_there

GONE_STATES: Final = ("cancelled", "deleted", "deleting", "expired", "PendingDeletion")

REASONS: Final = {
    "AWS::EC2::SecurityGroup": "the kept file system's network interfaces are its members",
    "AWS::EC2::SecurityGroupEgress": "belongs to the group of the kept file system",
    "AWS::EC2::SecurityGroupIngress": "belongs to the group of the kept file system",
    "AWS::EC2::Subnet": "the kept file system's network interfaces lie in it",
    "AWS::EC2::VPC": "the kept file system's network interfaces lie in it",
    "AWS::ECR::Repository": "holds the images that jobs were run with",
    "AWS::FSx::FileSystem": "holds data",
    "AWS::KMS::Key": "without it what it encrypted cannot be read",
    "AWS::Logs::LogGroup": "holds the log of what was kept",
    "AWS::S3::Bucket": "holds data",
    "AWS::S3::BucketPolicy": "protects the kept bucket",
}
"""Why a resource of a type is kept where its environment keeps data."""

Finder = Callable[[Cloud, str], Any]


def _ec2(operation: str, parameter: str, key: str) -> Finder:
    return lambda cloud, name: cloud.ask("ec2", operation, **{parameter: [name]})[key]


def _budget(cloud: Cloud, name: str) -> Any:
    account = cloud.ask("sts", "get_caller_identity")["Account"]
    return [cloud.ask("budgets", "describe_budget", AccountId=account, BudgetName=name)["Budget"]]


def _last(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def _cluster_of(arn: str) -> str:
    """Return the cluster's id in the ARN of a part of it: `cluster/<id>/queue/<id>`."""
    return arn.rsplit("/", 3)[-3]


FINDERS: Final[dict[str, Finder]] = {
    "AWS::AutoScaling::AutoScalingGroup": lambda cloud, name: cloud.ask(
        "autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name]
    )["AutoScalingGroups"],
    "AWS::Budgets::Budget": _budget,
    "AWS::EC2::CapacityReservation": _ec2(
        "describe_capacity_reservations", "CapacityReservationIds", "CapacityReservations"
    ),
    "AWS::EC2::EIP": _ec2("describe_addresses", "PublicIps", "Addresses"),
    "AWS::EC2::FlowLog": _ec2("describe_flow_logs", "FlowLogIds", "FlowLogs"),
    "AWS::EC2::InternetGateway": _ec2(
        "describe_internet_gateways", "InternetGatewayIds", "InternetGateways"
    ),
    "AWS::EC2::LaunchTemplate": _ec2(
        "describe_launch_templates", "LaunchTemplateIds", "LaunchTemplates"
    ),
    "AWS::EC2::NatGateway": _ec2("describe_nat_gateways", "NatGatewayIds", "NatGateways"),
    "AWS::EC2::PlacementGroup": _ec2("describe_placement_groups", "GroupNames", "PlacementGroups"),
    "AWS::EC2::RouteTable": _ec2("describe_route_tables", "RouteTableIds", "RouteTables"),
    "AWS::EC2::SecurityGroup": _ec2("describe_security_groups", "GroupIds", "SecurityGroups"),
    "AWS::EC2::Subnet": _ec2("describe_subnets", "SubnetIds", "Subnets"),
    "AWS::EC2::VPC": _ec2("describe_vpcs", "VpcIds", "Vpcs"),
    "AWS::EC2::VPCEndpoint": _ec2("describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints"),
    "AWS::ECR::Repository": lambda cloud, name: cloud.ask(
        "ecr", "describe_repositories", repositoryNames=[name]
    )["repositories"],
    "AWS::FSx::DataRepositoryAssociation": lambda cloud, name: cloud.ask(
        "fsx", "describe_data_repository_associations", AssociationIds=[name]
    )["Associations"],
    "AWS::FSx::FileSystem": lambda cloud, name: cloud.ask(
        "fsx", "describe_file_systems", FileSystemIds=[name]
    )["FileSystems"],
    "AWS::IAM::InstanceProfile": lambda cloud, name: [
        cloud.ask("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]
    ],
    "AWS::IAM::ManagedPolicy": lambda cloud, arn: [
        cloud.ask("iam", "get_policy", PolicyArn=arn)["Policy"]
    ],
    "AWS::IAM::Role": lambda cloud, name: [cloud.ask("iam", "get_role", RoleName=name)["Role"]],
    "AWS::KMS::Key": lambda cloud, name: [
        cloud.ask("kms", "describe_key", KeyId=name)["KeyMetadata"]
    ],
    "AWS::Lambda::Function": lambda cloud, name: [
        cloud.ask("lambda", "get_function", FunctionName=name)
    ],
    "AWS::Logs::LogGroup": lambda cloud, name: [
        group
        for group in cloud.ask("logs", "describe_log_groups", logGroupNamePrefix=name)["logGroups"]
        if group["logGroupName"] == name
    ],
    "AWS::PCS::Cluster": lambda cloud, arn: [
        cloud.ask("pcs", "get_cluster", clusterIdentifier=_last(arn))["cluster"]
    ],
    "AWS::PCS::ComputeNodeGroup": lambda cloud, arn: [
        cloud.ask(
            "pcs",
            "get_compute_node_group",
            clusterIdentifier=_cluster_of(arn),
            computeNodeGroupIdentifier=_last(arn),
        )["computeNodeGroup"]
    ],
    "AWS::PCS::Queue": lambda cloud, arn: [
        cloud.ask(
            "pcs", "get_queue", clusterIdentifier=_cluster_of(arn), queueIdentifier=_last(arn)
        )["queue"]
    ],
    "AWS::S3::Bucket": lambda cloud, name: [cloud.ask("s3", "head_bucket", Bucket=name)],
    "AWS::SNS::Topic": lambda cloud, name: [
        cloud.ask("sns", "get_topic_attributes", TopicArn=name)["Attributes"]
    ],
    "AWS::SSM::Parameter": lambda cloud, name: [
        cloud.ask("ssm", "get_parameter", Name=name)["Parameter"]
    ],
    "AWS::StepFunctions::StateMachine": lambda cloud, arn: [
        {"State": machine["status"].lower()}
        for machine in [cloud.ask("stepfunctions", "describe_state_machine", stateMachineArn=arn)]
    ],
}
"""How the service itself is asked for a resource; parts of others (rules, policies, routes) are
not asked for one by one."""


@dataclass(frozen=True)
class Leftover:
    """A resource after its environment was destroyed."""

    resource: Resource
    there: bool

    @property
    def expected(self) -> bool:
        """Whether it is there because it is kept, or gone because it is not."""
        return self.there == self.resource.kept

    @property
    def reason(self) -> str:
        """Why it is there, or should be."""
        if self.resource.kept:
            return REASONS.get(self.resource.resource_type, "its deletion policy keeps it")
        return "nothing keeps it: it should be gone"


def leftovers(cloud: Cloud, resources: Iterable[Resource]) -> Iterator[Leftover]:
    """Yield whether each resource that services can be asked for is still there.

    Args:
        cloud: the account.
        resources: what was deployed, as it was read before the stacks were deleted.
    """
    for resource in resources:
        finder = FINDERS.get(resource.resource_type)
        if finder is None or resource.physical_id is None:
            continue
        yield Leftover(resource, there=_there(cloud, finder, resource.physical_id))


def shown_by_services(evidence: Evidence) -> Iterator[Check]:
    """Every resource that services can be asked for is shown by its service.

    CloudFormation's own list is not enough: an answer that shows nothing now would also be taken
    for an empty account after destroy.
    """
    found = list(leftovers(evidence.cloud, evidence.deployment.resources))
    yield all_there(
        "resources that their services show",
        len(found),
        [entry.resource for entry in found if not entry.there],
    )


def _there(cloud: Cloud, finder: Finder, physical_id: str) -> bool:
    try:
        found = finder(cloud, physical_id)
    except CloudError:
        return False  # "does not exist" has a different code in every service
    return any(not _gone(entry) for entry in found)


def _gone(entry: dict[str, Any]) -> bool:
    states = (entry.get(key) for key in ("State", "Status", "KeyState", "Lifecycle"))
    return any(state in GONE_STATES for state in states)
