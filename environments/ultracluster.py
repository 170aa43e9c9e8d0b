"""512 nodes, 4,096 A100 at 400 Gbps each, and 4 spare; capacity is reserved, data is kept."""

from ultracluster.spec.budget import BudgetSpec, PriceSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import CapacityReservationSpec, NodesSpec
from ultracluster.spec.slurm import SlurmSpec

GPUS_PER_NODE = 8
NODES = 4096 // GPUS_PER_NODE
ASSUMED = "assumed to be above what AWS PCS charges; not verified (2026-11-24)"

ULTRACLUSTER = EnvironmentSpec(
    name="ultracluster",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(
        cidr="10.2.0.0/16",
        # 516 nodes at four addresses, as Slurm wants them, SageMaker's 5 for each of 512, file
        # servers, endpoints, controller and login node: 4,723 of the 8,187 addresses of a /19.
        training_subnet_cidrs=("10.2.0.0/19",),
        public_subnet_cidr="10.2.240.0/28",
        flow_log_retention_days=365,
    ),
    nodes=NodesSpec(
        instance_type="p4d.24xlarge",
        count=NODES,
        # Enough on 99 of 100 days: 0.002 failures a node and day, each away for a day (planner).
        spare_nodes=4,
        interface_layout="address-per-card",
        # An example that no account has; today's: `ultracluster image ultracluster --write`.
        image="ami-0123456789abcdef0",
        root_device_name="/dev/sda1",
        capacity_reservation=CapacityReservationSpec(),
    ),
    # Nodes and a login node: LARGE. All nodes are paid for and kept running; job records stay for a
    # year. The login node has an image of its own, so that a new one for the nodes does not replace
    # it; also an example: `ultracluster image ultracluster --login --write`.
    slurm=SlurmSpec(accounting_days=365, login_image="ami-0123456789abcdef0"),
    # A checkpoint of a trillion parameters is 14 TB (14 bytes each). 98.4 TiB, the default quota
    # of PERSISTENT_2 capacity, holds six of them beside the data, and at 1,000 MB/s per TiB
    # (98.4 GB/s) one is written in 143 s: under 2 % of a checkpoint interval of 2.5 hours.
    storage=LustreSpec(
        deployment_type="PERSISTENT_2",
        capacity_gib=42 * 2400,
        per_unit_storage_throughput=1000,
        metadata_iops="AUTOMATIC",
        customer_key=True,
        data_repositories=(
            DataRepositorySpec(file_system_path="/data", prefix="data/", auto_export=()),
            DataRepositorySpec(
                file_system_path="/checkpoints", prefix="checkpoints/", auto_import=()
            ),
        ),
        # A checkpoint every 2.5 hours; the bucket keeps those of three days once they are deleted.
        exported_gb_per_day=14_000 * 24 * 2 // 5,
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances=NODES),
    # 588,600 USD a day with nodes and jobs at full size. The reservation alone is 272,000, and is
    # charged from the moment it is made.
    budget=BudgetSpec(
        ceiling_usd_per_day=600_000,
        price_region="us-west-2",
        # Who is told. Preflight refuses this domain, which nobody reads: write your own address.
        notify=("ultracluster@example.com",),
        prices=(
            PriceSpec(item="pcs/LARGE/controller", usd=10, source=ASSUMED),
            PriceSpec(item="pcs/LARGE/node", usd=0.25, source=ASSUMED),
            PriceSpec(item="pcs/LARGE/accounting", usd=10, source=ASSUMED),
        ),
    ),
    termination_protection=True,
)
