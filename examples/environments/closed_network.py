"""Four p4d.24xlarge without a way to the internet: nodes reach AWS by endpoints alone."""

from constructs_lib import (
    BudgetSpec,
    EnvironmentSpec,
    LustreSpec,
    NetworkSpec,
    NodesSpec,
    SageMakerSpec,
)

CLOSED = EnvironmentSpec(
    name="closed",
    region="us-east-1",
    availability_zone_id="use1-az6",
    # No public subnet, and so no NAT gateway.
    network=NetworkSpec(training_subnet_cidrs=("10.0.0.0/24",), public_subnet_cidr=None),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=4),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    sagemaker=SageMakerSpec(instances=4),
    budget=BudgetSpec(ceiling_usd_per_day=5_000, price_region="us-west-2"),
)
