"""Two nodes that scale to zero, and the smallest file system; it keeps nothing when destroyed."""

from constructs_lib import (
    BudgetSpec,
    EnvironmentSpec,
    LustreSpec,
    NetworkSpec,
    NodesSpec,
    SageMakerSpec,
)

ENVIRONMENT = EnvironmentSpec(
    name="my-cluster",
    region="us-east-1",
    # The zone's id, which is the same in every account, as its name is not.
    availability_zone_id="use1-az6",
    network=NetworkSpec(
        cidr="10.0.0.0/16",
        training_subnet_cidrs=("10.0.0.0/24",),
        public_subnet_cidr="10.0.240.0/28",
    ),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=2),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    sagemaker=SageMakerSpec(instances=2),
    # The most that a day may cost with everything running; `ultracluster cost` says what it does.
    budget=BudgetSpec(ceiling_usd_per_day=2_500, price_region="us-west-2"),
)
