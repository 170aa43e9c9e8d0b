"""Four p4d.24xlarge in a VPC that is there already, with its own routes and endpoints."""

from constructs_lib import (
    BudgetSpec,
    EnvironmentSpec,
    ExistingNetworkSpec,
    ExistingSubnetSpec,
    LustreSpec,
    NodesSpec,
    SageMakerSpec,
)

IN_MY_VPC = EnvironmentSpec(
    name="in-my-vpc",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=ExistingNetworkSpec(
        vpc_id="vpc-0123456789abcdef0",
        cidr="172.20.0.0/16",
        # A private subnet in that zone, with a route to AWS by NAT or by endpoints.
        training_subnets=(
            ExistingSubnetSpec(
                subnet_id="subnet-0123456789abcdef0",
                cidr="172.20.16.0/22",
                availability_zone_id="use1-az6",
            ),
        ),
    ),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=4),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    sagemaker=SageMakerSpec(instances=0),
    budget=BudgetSpec(ceiling_usd_per_day=5_000, price_region="us-west-2"),
)
