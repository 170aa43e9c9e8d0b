"""Two environments: one that finds everything there, and one that makes everything."""

from datetime import UTC, datetime

from tests.spec.budgets import AMPLE
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import ExistingNetworkSpec, ExistingSubnetSpec, NetworkSpec
from ultracluster.spec.nodes import CapacityReservationSpec, NodesSpec
from ultracluster.spec.slurm import PCS_READY_AMI, SlurmSpec

ACCOUNT = "123456789012"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
IMAGE = "ami-0123456789abcdef2"
RESERVATION = "cr-0123456789abcdef0"
VPC = "vpc-0123456789abcdef0"
SUBNETS = ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
BUCKET = "our-training-data"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/"
    "AWSServiceRoleForFSxS3Access_fs-*"
)
TAG = {"Key": "ultracluster:environment", "Value": "given"}

GIVEN = EnvironmentSpec(
    name="given",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=ExistingNetworkSpec(
        vpc_id=VPC,
        cidr="10.0.0.0/16",
        training_subnets=tuple(
            ExistingSubnetSpec(
                subnet_id=name, cidr=f"10.0.{index}.0/24", availability_zone_id="use1-az6"
            )
            for index, name in enumerate(SUBNETS)
        ),
        interface_endpoints=("sts",),
    ),
    nodes=NodesSpec(
        instance_type="p4d.24xlarge",
        count=4,
        image="/team/nodes:3",
        placement_group=False,
        capacity_reservation=CapacityReservationSpec(capacity_reservation_id=RESERVATION),
    ),
    storage=LustreSpec(
        deployment_type="PERSISTENT_2",
        capacity_gib=2400,
        per_unit_storage_throughput=250,
        data_repositories=(
            DataRepositorySpec(file_system_path="/data", prefix="data/", bucket_name=BUCKET),
        ),
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances=4),
    budget=AMPLE.model_copy(update={"notify": ("gpus@our-team.dev",)}),
)
"""Everything that can be there already is there already."""

MADE = GIVEN.model_copy(
    update={
        "name": "made",
        "network": NetworkSpec(training_subnet_cidrs=("10.0.0.0/24",)),
        "nodes": NodesSpec(instance_type="p4d.24xlarge", count=4, image="/team/nodes:3"),
    }
)
"""Everything is made for it."""

QUEUED = MADE.model_copy(
    update={
        "name": "queued",
        "nodes": NodesSpec(
            instance_type="p4d.24xlarge",
            count=4,
            interface_layout="address-per-card",
            image=f"{PCS_READY_AMI}:1",
            root_device_name="/dev/sda1",
        ),
        "slurm": SlurmSpec(login_nodes=2),
    }
)
"""Slurm launches its nodes, and two login nodes are beside them."""
