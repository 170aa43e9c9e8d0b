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


def _rows(service: str, operation: str, parameter: str, key: str) -> Finder:
    """Return a call that takes a list of names and answers a list."""
    return lambda cloud, name: cloud.ask(service, operation, **{parameter: [name]})[key]


def _row(service: str, operation: str, parameter: str, key: str) -> Finder:
    """Return a call that takes one name and answers one resource."""
    return lambda cloud, name: [cloud.ask(service, operation, **{parameter: name})[key]]


def _budget(cloud: Cloud, name: str) -> Any:
    account = cloud.ask("sts", "get_caller_identity")["Account"]
    return [cloud.ask("budgets", "describe_budget", AccountId=account, BudgetName=name)["Budget"]]


def _log_group(cloud: Cloud, name: str) -> Any:
    found = cloud.ask("logs", "describe_log_groups", logGroupNamePrefix=name)["logGroups"]
    return [group for group in found if group["logGroupName"] == name]


def _part_of_pcs(operation: str, parameter: str, key: str) -> Finder:
    """Return the call for a part of a cluster, whose ARN ends in `cluster/<id>/<kind>/<id>`."""

    def find(cloud: Cloud, arn: str) -> Any:
        *_, cluster, _, identifier = arn.split("/")
        named = {"clusterIdentifier": cluster, parameter: identifier}
        return [cloud.ask("pcs", operation, **named)[key]]

    return find


FINDERS: Final[dict[str, Finder]] = {
    "AWS::AutoScaling::AutoScalingGroup": _rows(
        "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroupNames", "AutoScalingGroups"
    ),
    "AWS::Budgets::Budget": _budget,
    "AWS::EC2::CapacityReservation": _rows(
        "ec2", "describe_capacity_reservations", "CapacityReservationIds", "CapacityReservations"
    ),
    "AWS::EC2::EIP": _rows("ec2", "describe_addresses", "PublicIps", "Addresses"),
    "AWS::EC2::FlowLog": _rows("ec2", "describe_flow_logs", "FlowLogIds", "FlowLogs"),
    "AWS::EC2::InternetGateway": _rows(
        "ec2", "describe_internet_gateways", "InternetGatewayIds", "InternetGateways"
    ),
    "AWS::EC2::LaunchTemplate": _rows(
        "ec2", "describe_launch_templates", "LaunchTemplateIds", "LaunchTemplates"
    ),
    "AWS::EC2::NatGateway": _rows("ec2", "describe_nat_gateways", "NatGatewayIds", "NatGateways"),
    "AWS::EC2::PlacementGroup": _rows(
        "ec2", "describe_placement_groups", "GroupNames", "PlacementGroups"
    ),
    "AWS::EC2::RouteTable": _rows("ec2", "describe_route_tables", "RouteTableIds", "RouteTables"),
    "AWS::EC2::SecurityGroup": _rows(
        "ec2", "describe_security_groups", "GroupIds", "SecurityGroups"
    ),
    "AWS::EC2::Subnet": _rows("ec2", "describe_subnets", "SubnetIds", "Subnets"),
    "AWS::EC2::VPC": _rows("ec2", "describe_vpcs", "VpcIds", "Vpcs"),
    "AWS::EC2::VPCEndpoint": _rows(
        "ec2", "describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints"
    ),
    "AWS::ECR::Repository": _rows(
        "ecr", "describe_repositories", "repositoryNames", "repositories"
    ),
    "AWS::FSx::DataRepositoryAssociation": _rows(
        "fsx", "describe_data_repository_associations", "AssociationIds", "Associations"
    ),
    "AWS::FSx::FileSystem": _rows("fsx", "describe_file_systems", "FileSystemIds", "FileSystems"),
    "AWS::IAM::InstanceProfile": _row(
        "iam", "get_instance_profile", "InstanceProfileName", "InstanceProfile"
    ),
    "AWS::IAM::ManagedPolicy": _row("iam", "get_policy", "PolicyArn", "Policy"),
    "AWS::IAM::Role": _row("iam", "get_role", "RoleName", "Role"),
    "AWS::KMS::Key": _row("kms", "describe_key", "KeyId", "KeyMetadata"),
    "AWS::Lambda::Function": _row("lambda", "get_function", "FunctionName", "Configuration"),
    "AWS::Logs::LogGroup": _log_group,
    "AWS::PCS::Cluster": lambda cloud, arn: [
        cloud.ask("pcs", "get_cluster", clusterIdentifier=arn.rsplit("/", 1)[-1])["cluster"]
    ],
    "AWS::PCS::ComputeNodeGroup": _part_of_pcs(
        "get_compute_node_group", "computeNodeGroupIdentifier", "computeNodeGroup"
    ),
    "AWS::PCS::Queue": _part_of_pcs("get_queue", "queueIdentifier", "queue"),
    "AWS::S3::Bucket": lambda cloud, name: [cloud.ask("s3", "head_bucket", Bucket=name)],
    "AWS::SNS::Topic": _row("sns", "get_topic_attributes", "TopicArn", "Attributes"),
    "AWS::SSM::Parameter": _row("ssm", "get_parameter", "Name", "Parameter"),
    "AWS::StepFunctions::StateMachine": lambda cloud, arn: [
        {"State": machine["status"].lower()}
        for machine in [cloud.ask("stepfunctions", "describe_state_machine", stateMachineArn=arn)]
    ],
}
"""The call that shows a resource of each type; parts of others (rules, policies, routes) are not
looked for one by one."""


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
