"""Sixteen nodes, 128 A100: a partition group of a 50-billion-parameter model; protected data."""

from ultracluster.spec.budget import BudgetSpec, PriceSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.slurm import CpuGroupSpec, QueueSpec, SlurmSpec
from ultracluster.spec.users import HomeStorageSpec

GPUS_PER_NODE = 8
NODES = 128 // GPUS_PER_NODE
ASSUMED = "assumed to be above what AWS PCS charges; not verified (2026-11-24)"

STAGING = EnvironmentSpec(
    name="staging",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(
        cidr="10.1.0.0/16",
        training_subnet_cidrs=("10.1.0.0/22",),
        public_subnet_cidr="10.1.240.0/28",
    ),
    nodes=NodesSpec(
        instance_type="p4d.24xlarge",
        count=NODES,
        interface_layout="address-per-card",
        # An example that no account has; today's: `ultracluster image staging --write`.
        image="ami-0123456789abcdef0",
        root_device_name="/dev/sda1",
    ),
    slurm=SlurmSpec(
        # An image of its own, so that a new one for the nodes does not replace the login node; also
        # an example: `ultracluster image staging --login --write`.
        login_image="ami-0123456789abcdef0",
        # One /home on all nodes: jobs begin where they were submitted.
        home_storage=HomeStorageSpec(),
        node_groups=(CpuGroupSpec(name="cpu", instance_type="c7i.8xlarge", count=4),),
        queues=(
            QueueSpec(),
            # Looked at before training: half an hour on the same nodes.
            QueueSpec(name="debug", max_time="30", priority_tier=2),
            # Tokens are prepared without accelerators.
            QueueSpec(name="prepare", node_groups=("cpu",)),
        ),
    ),
    # A checkpoint of 50 billion parameters is 0.7 TB (14 bytes each); 9.4 TiB holds a dozen
    # beside the data, and writes one in 5 minutes at 2.3 GB/s.
    storage=LustreSpec(
        deployment_type="PERSISTENT_2",
        capacity_gib=4 * 2400,
        per_unit_storage_throughput=250,
        metadata_iops="AUTOMATIC",
        customer_key=True,
        data_repositories=(
            DataRepositorySpec(file_system_path="/data", prefix="data/", auto_export=()),
            DataRepositorySpec(
                file_system_path="/checkpoints", prefix="checkpoints/", auto_import=()
            ),
        ),
        # A checkpoint every hour; the bucket keeps those of three days once they are deleted.
        exported_gb_per_day=700 * 24,
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances=NODES),
    # 18,551 USD a day with nodes, CPU nodes and jobs at full size, 113 idle.
    budget=BudgetSpec(
        ceiling_usd_per_day=20_000,
        price_region="us-west-2",
        # Who is told. Preflight refuses this domain, which nobody reads: write your own address.
        notify=("staging@example.com",),
        prices=(
            PriceSpec(item="pcs/SMALL/controller", usd=1, source=ASSUMED),
            PriceSpec(item="pcs/SMALL/node", usd=0.25, source=ASSUMED),
        ),
    ),
    termination_protection=True,
)
