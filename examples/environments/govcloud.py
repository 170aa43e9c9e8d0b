"""Eight p5.48xlarge in AWS GovCloud (US): another partition, zones and prices of your own."""

from constructs_lib import (
    BudgetSpec,
    EnvironmentSpec,
    LustreSpec,
    NetworkSpec,
    NodesSpec,
    SageMakerSpec,
)

GOV = EnvironmentSpec(
    name="gov",
    region="us-gov-west-1",
    availability_zone_id="usgw1-az1",
    network=NetworkSpec(),
    nodes=NodesSpec(instance_type="p5.48xlarge", count=8),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=2400, keep_data=False),
    sagemaker=SageMakerSpec(instances=0),
    # Prices of GovCloud are not in the table; those of the Region that it names stand in.
    budget=BudgetSpec(ceiling_usd_per_day=20_000, price_region="us-east-1"),
)
