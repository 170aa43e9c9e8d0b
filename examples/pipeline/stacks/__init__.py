"""The pipeline, and the environments that it deploys, each in an account of its own."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
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


def environment(name: str, account: str) -> EnvironmentSpec:
    """Return one of them; the pipeline's account must be trusted where it goes."""
    return EnvironmentSpec(
        name=name,
        account=account,
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


RESEARCH = environment("research", "444455556666")
PRODUCTION = environment("production", "777788889999")


class PipelineStack(cdk.Stack):
    """Every commit to `main` deploys research, and production once somebody has approved it."""

    def __init__(self, scope: Construct, construct_id: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)

        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            # Other accounts read what its key encrypts; key and bucket outlive the stack together.
            cross_account_keys=True,
            artifact_bucket=s3.Bucket(
                self,
                "Artifacts",
                encryption_key=kms.Key(self, "ArtifactsKey", enable_key_rotation=True),
                enforce_ssl=True,
            ),
            synth=pipelines.ShellStep(
                "Synth",
                input=pipelines.CodePipelineSource.git_hub("somebody/research", "main"),
                commands=["pip install -r requirements.txt", "npx cdk synth"],
            ),
        )
        boundary = cdk.PermissionsBoundary.from_name("developers")
        research, production = (
            TrainingEnvironment(self, spec=spec, permissions_boundary=boundary)
            for spec in (RESEARCH, PRODUCTION)
        )
        pipeline.add_stage(research)
        pipeline.add_stage(production, pre=[pipelines.ManualApprovalStep("Approve")])
