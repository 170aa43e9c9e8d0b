"""An emulated account that holds everything an environment needs, made by API calls."""

import json
from dataclasses import dataclass, replace
from typing import Any

from tests.preflight.front import Front
from tests.spec.budgets import AMPLE
from ultracluster.aws import Account
from ultracluster.emulator.quotas import QUOTAS
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import ExistingNetworkSpec, ExistingSubnetSpec
from ultracluster.spec.nodes import CapacityReservationSpec, NodesSpec
from ultracluster.spec.slurm import SlurmSpec

REGION = "us-east-1"
ZONE = "use1-az6"
PLENTY = 1_000_000
IMAGE = "/team/images/p4d"


@dataclass(frozen=True)
class Prepared:
    """The account, who deploys into it, and the environment that fits."""

    spec: EnvironmentSpec
    owner: Account
    deployer: dict[str, str]
    """Settings of the role that deploys."""

    vpc_id: str


def prepare(aws: Front, account: str, *, subnet: str = "10.0.0.0/24") -> Prepared:
    """Make a VPC with NAT, a reservation, a bucket with a key, an image, roles and quotas.

    Args:
        aws: the endpoint.
        account: twelve digits; an account that nobody used has none of another test's leavings.
        subnet: block of the private subnet.
    """
    settings = {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_SESSION_TOKEN": aws.token,
    }
    owner = Account(REGION, settings)
    vpc_id, subnet_id = _network(owner, subnet)
    for quota in QUOTAS:
        grant(owner, quota.service, quota.code, PLENTY)
    bucket = f"our-data-{account}"
    _bucket(owner, account, bucket)
    image = owner.ask(
        "ec2",
        "register_image",
        Name="nodes",
        Architecture="x86_64",
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 75}}],
    )["ImageId"]
    for name, value in ((IMAGE, image), ("/cdk-bootstrap/hnb659fds/version", "21")):
        owner.ask("ssm", "put_parameter", Name=name, Value=value, Type="String")
    spec = EnvironmentSpec(
        name="ours",
        region=REGION,
        availability_zone_id=ZONE,
        network=ExistingNetworkSpec(
            vpc_id=vpc_id,
            cidr="10.0.0.0/16",
            training_subnets=(
                ExistingSubnetSpec(subnet_id=subnet_id, cidr=subnet, availability_zone_id=ZONE),
            ),
        ),
        nodes=NodesSpec(
            instance_type="p4d.24xlarge",
            count=2,
            image=f"{IMAGE}:1",
            placement_group=False,
            capacity_reservation=CapacityReservationSpec(
                capacity_reservation_id=reserve(owner, ZONE)
            ),
        ),
        storage=LustreSpec(
            deployment_type="SCRATCH_2",
            capacity_gib=1200,
            data_repositories=(
                DataRepositorySpec(file_system_path="/data", prefix="data/", bucket_name=bucket),
            ),
            keep_data=False,
        ),
        sagemaker=SageMakerSpec(instances=2),
        budget=AMPLE.model_copy(update={"notify": ("gpus@our-team.dev",)}),
    )
    deployer = settings | _roles(owner, account)
    return Prepared(spec, owner, deployer, vpc_id)


def with_slurm(prepared: Prepared) -> Prepared:
    """Return the same account, and its environment with Slurm."""
    nodes = prepared.spec.nodes.model_copy(update={"interface_layout": "address-per-card"})
    changes = {"nodes": nodes, "slurm": SlurmSpec()}
    return replace(prepared, spec=prepared.spec.model_copy(update=changes))


def grant(owner: Account, service: str, code: str, value: int) -> None:
    """Set a quota; the emulator grants every request at once."""
    owner.ask(
        "service-quotas",
        "request_service_quota_increase",
        ServiceCode=service,
        QuotaCode=code,
        DesiredValue=value,
    )


def reserve(owner: Account, zone: str) -> str:
    """Reserve two P4d in a zone, and return the reservation's id."""
    answer = owner.ask(
        "ec2",
        "create_capacity_reservation",
        InstanceType="p4d.24xlarge",
        InstancePlatform="Linux/UNIX",
        AvailabilityZoneId=zone,
        InstanceCount=2,
        InstanceMatchCriteria="targeted",
    )
    name: str = answer["CapacityReservation"]["CapacityReservationId"]
    return name


def _network(owner: Account, cidr: str) -> tuple[str, str]:
    vpc = owner.ask("ec2", "create_vpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        owner.ask("ec2", "modify_vpc_attribute", VpcId=vpc, **{attribute: {"Value": True}})
    private, public = (
        owner.ask("ec2", "create_subnet", VpcId=vpc, CidrBlock=block, AvailabilityZoneId=ZONE)[
            "Subnet"
        ]["SubnetId"]
        for block in (cidr, "10.0.240.0/28")
    )
    address = owner.ask("ec2", "allocate_address", Domain="vpc")["AllocationId"]
    nat = owner.ask("ec2", "create_nat_gateway", SubnetId=public, AllocationId=address)
    nat_id = nat["NatGateway"]["NatGatewayId"]
    table = owner.ask("ec2", "create_route_table", VpcId=vpc)["RouteTable"]["RouteTableId"]
    owner.ask("ec2", "associate_route_table", RouteTableId=table, SubnetId=private)
    owner.ask(
        "ec2",
        "create_route",
        RouteTableId=table,
        DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId=nat_id,
    )
    return vpc, private


def _bucket(owner: Account, account: str, name: str) -> None:
    role = (
        f"arn:aws:iam::{account}:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/"
        "AWSServiceRoleForFSxS3Access_fs-*"
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "kms:*",
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:PrincipalArn": role}},
    }
    own = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [own, statement]})
    key = owner.ask("kms", "create_key", Policy=policy)["KeyMetadata"]["Arn"]
    owner.ask("s3", "create_bucket", Bucket=name)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    owner.ask(
        "s3",
        "put_bucket_encryption",
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default}]
        },
    )


def _roles(owner: Account, account: str) -> dict[str, str]:
    """Make the deployer, CloudFormation's role and the services' roles; return credentials."""
    trust: dict[str, Any] = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    for name in ("Deployer", f"cdk-hnb659fds-cfn-exec-role-{account}-{REGION}"):
        owner.ask(
            "iam",
            "create_role",
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(trust),
        )
        owner.ask(
            "iam",
            "attach_role_policy",
            RoleName=name,
            PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess",
        )
    answer = owner.ask(
        "sts",
        "assume_role",
        RoleArn=f"arn:aws:iam::{account}:role/Deployer",
        RoleSessionName="me",
    )
    return {
        "AWS_ACCESS_KEY_ID": answer["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer["Credentials"]["SessionToken"],
    }
