"""Two nodes for engineers; scales to zero, and keeps nothing."""

from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import NodesSpec

DEV = EnvironmentSpec(
    name="dev",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(
        cidr="10.0.0.0/16",
        training_subnet_cidrs=("10.0.0.0/24",),
        public_subnet_cidr="10.0.240.0/28",
        flow_log_retention_days=7,
    ),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=2),
    # The smallest file system that FSx sells: 1.2 TiB at 200 MB/s per TiB.
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    sagemaker=SageMakerSpec(instances=2),
    # 2,277 USD a day with two nodes and two job instances for 24 hours, 10 idle. SageMaker's price
    # is known of us-west-2 alone, where EC2's is the same as here.
    budget=BudgetSpec(ceiling_usd_per_day=2_500, price_region="us-west-2"),
)
