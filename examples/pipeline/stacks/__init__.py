"""The pipeline, and the environment that it deploys."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import pipelines
from constructs import Construct

from constructs_lib import (
    BudgetSpec,
    EnvironmentSpec,
    LustreSpec,
    NetworkSpec,
    NodesSpec,
    SageMakerSpec,
    TrainingEnvironment,
)

RESEARCH = EnvironmentSpec(
    name="research",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=2),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    sagemaker=SageMakerSpec(instances=1),
    budget=BudgetSpec(
        ceiling_usd_per_day=3000,
        notify=("research@example.com",),
        price_region="us-west-2",  # has the same prices, and more of them are published
    ),
)


class PipelineStack(cdk.Stack):
    """Every commit to `main` deploys the environment, with the boundary that the account asks."""

    def __init__(self, scope: Construct, construct_id: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)

        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            synth=pipelines.ShellStep(
                "Synth",
                input=pipelines.CodePipelineSource.git_hub("somebody/research", "main"),
                commands=["pip install -r requirements.txt", "npx cdk synth"],
            ),
        )
        environment = TrainingEnvironment(
            self,
            spec=RESEARCH,
            env=cdk.Environment(account=self.account, region=self.region),
            permissions_boundary=cdk.PermissionsBoundary.from_name("developers"),
        )
        pipeline.add_stage(environment)
