"""16 p5.48xlarge on a Capacity Block that was bought beforehand, with Slurm."""

from constructs_lib import (
    BudgetSpec,
    CapacityBlockSpec,
    EnvironmentSpec,
    LustreSpec,
    NetworkSpec,
    NodesSpec,
    PriceSpec,
    SageMakerSpec,
    SlurmSpec,
)

P5_BLOCK = EnvironmentSpec(
    name="p5-block",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(),
    nodes=NodesSpec(
        instance_type="p5.48xlarge",
        count=16,
        interface_layout="address-per-card",
        image="ami-0123456789abcdef0",  # an example: `ultracluster image p5-block --write`
        root_device_name="/dev/sda1",
        # A block is placed close together by itself, and EC2 accepts no group with it.
        placement_group=False,
        capacity_block=CapacityBlockSpec(capacity_reservation_id="cr-0123456789abcdef0"),
    ),
    slurm=SlurmSpec(login_image="ami-0123456789abcdef0"),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=4800, keep_data=False),
    sagemaker=SageMakerSpec(instances=0),
    budget=BudgetSpec(
        ceiling_usd_per_day=20_000,
        price_region="us-west-2",
        notify=("team@example.com",),
        # What you pay for each hour; these are examples.
        prices=(
            PriceSpec(item="ec2/p5.48xlarge/capacity-block", usd=40, source="the offering's fee"),
            PriceSpec(item="pcs/SMALL/controller", usd=1, source="an example"),
            PriceSpec(item="pcs/SMALL/node", usd=1, source="an example"),
        ),
    ),
)
