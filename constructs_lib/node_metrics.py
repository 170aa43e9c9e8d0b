"""The program by which nodes measure themselves: where they fetch it, and what they need."""

import hashlib
from pathlib import Path
from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from constructs_lib.permissions import add_policy, allow
from ultracluster.spec.observability import ObservabilitySpec

PROGRAM: Final = Path(__file__).parent / "boot" / "metrics.py"
ANY_METRIC: Final = (
    "IAM knows no resource of CloudWatch's metrics, and the OpenTelemetry endpoint has no "
    "namespace that a condition could name; whoever has the role can add metrics, and read none."
)


class NodeMetrics(Construct):
    """Define the nodes' program of metrics as an asset: user data has no room for it.

    A node takes it from the bootstrap bucket over the S3 endpoint, holds it against the hash in its
    user data, and boots without it where that fails. Where the bucket was bootstrapped with a key
    of one's own (`cdk bootstrap --bootstrap-kms-key-id`), that key must admit the nodes' role.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: ObservabilitySpec,
        environment_name: str,
    ) -> None:
        """Define the asset.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            spec: how often nodes measure.
            environment_name: the label of all their series.
        """
        super().__init__(scope, construct_id)

        self._every, self._name = spec.every_seconds, environment_name
        self._asset = assets.Asset(self, "Program", path=str(PROGRAM))

    def conf(self, role: str) -> str:
        """Return the lines of a node's description, `boot/node.conf`.

        Args:
            role: `compute`, or `login` for nodes that ask Slurm's controller.
        """
        return "\n".join(
            (
                f"METRICS={self._asset.s3_object_url}",
                f"METRICS_SHA256={hashlib.sha256(PROGRAM.read_bytes()).hexdigest()}",
                f"ENVIRONMENT={self._name}",
                f"ROLE={role}",
                f"EVERY={self._every}",
            )
        )

    def grant_write(self, role: iam.IRole) -> None:
        """Let a role of nodes fetch the program and write metrics.

        Args:
            role: the role, in this stack.
        """
        bucket, key = self._asset.bucket, self._asset.s3_object_key
        add_policy(
            self,
            "Policy",
            role,
            [
                allow("FetchProgram", "s3:GetObject", on=bucket.arn_for_objects(key)),
                allow("WriteMetrics", "cloudwatch:PutMetricData"),
            ],
            {"*": ANY_METRIC},
            description="Metrics of cluster nodes",
        )
