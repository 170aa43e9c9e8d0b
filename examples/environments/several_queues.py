"""Slurm with three queues: training, half an hour for trying things, and nodes without GPUs."""

from constructs_lib import (
    BudgetSpec,
    CpuGroupSpec,
    EnvironmentSpec,
    LustreSpec,
    NetworkSpec,
    NodesSpec,
    PriceSpec,
    QueueSpec,
    SageMakerSpec,
    SlurmSpec,
)
from ultracluster.spec.slurm import PCS_READY_AMI

QUEUES = EnvironmentSpec(
    name="queues",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(),
    nodes=NodesSpec(
        instance_type="p4d.24xlarge",
        count=8,
        interface_layout="address-per-card",  # PCS takes no other layout
        # The PCS-ready image of today; by its id wherever data is kept.
        image=PCS_READY_AMI,
        root_device_name="/dev/sda1",
    ),
    slurm=SlurmSpec(
        node_groups=(CpuGroupSpec(name="cpu", instance_type="c7i.8xlarge", count=4),),
        queues=(
            QueueSpec(),
            QueueSpec(name="debug", max_time="30", priority_tier=2),
            QueueSpec(name="prepare", node_groups=("cpu",)),
        ),
    ),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=2400, keep_data=False),
    sagemaker=SageMakerSpec(instances=0),
    budget=BudgetSpec(
        ceiling_usd_per_day=10_000,
        price_region="us-west-2",
        prices=(
            PriceSpec(item="pcs/SMALL/controller", usd=1, source="an example"),
            PriceSpec(item="pcs/SMALL/node", usd=1, source="an example"),
        ),
    ),
)
