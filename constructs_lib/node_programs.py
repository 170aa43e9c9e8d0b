"""The programs for health checks and metrics of nodes, as a CDK asset."""

import hashlib
from pathlib import Path
from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from constructs_lib.permissions import add_policy, allow
from ultracluster.spec.observability import ObservabilitySpec

PROGRAMS: Final = Path(__file__).parent / "boot" / "node"
ANY_METRIC: Final = (
    "IAM knows no resource of CloudWatch's metrics, and the OpenTelemetry endpoint has no "
    "namespace that a condition could name; whoever has the role can add metrics, and read none."
)


class NodePrograms(Construct):
    """Define an asset with the nodes' programs for health checks and metrics.

    They do not fit into user data. A node downloads the asset from the bootstrap bucket through the
    S3 endpoint, and compares it to the hash in its user data. Without it no job starts on the node:
    Slurm drains a node without the prolog. If the bucket has a customer managed key
    (`cdk bootstrap --bootstrap-kms-key-id`), the key's policy must allow the nodes' role.

    Args:
        environment_name: the label `environment` of all metrics.
        observability: the interval of measurements; with None nodes only check themselves.
        repairs: whether a node that fails a check resets its GPUs or has Slurm reboot it (decision
            0021); otherwise it is drained, and the reason in Slurm says what to do.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment_name: str,
        observability: ObservabilitySpec | None = None,
        repairs: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)

        self._every = None if observability is None else observability.every_seconds
        self._name, self._repairs = environment_name, repairs
        exclude = ["__pycache__"]
        self._asset = assets.Asset(self, "Programs", path=str(PROGRAMS), exclude=exclude)

    def conf(self, role: str) -> str:
        """Return the lines for the programs in a node's settings file, `boot/node.conf`.

        Args:
            role: `compute`, or `login` for nodes that ask Slurm's controller.
        """
        lines = [
            f"PROGRAMS={self._asset.s3_object_url}",
            f"PROGRAMS_SHA256={digest()}",
            f"ENVIRONMENT={self._name}",
            f"ROLE={role}",
            f"REPAIR={int(self._repairs)}",
        ]
        return "\n".join(lines + ([] if self._every is None else [f"EVERY={self._every}"]))

    def grant(self, role: iam.IRole) -> None:
        """Let the role of nodes download the programs, and write metrics if they measure.

        Args:
            role: the role, in this stack.
        """
        bucket, key = self._asset.bucket, self._asset.s3_object_key
        fetch = allow("FetchProgram", "s3:GetObject", on=bucket.arn_for_objects(key))
        write = allow("WriteMetrics", "cloudwatch:PutMetricData")
        add_policy(
            self,
            "Policy",
            role,
            [fetch] if self._every is None else [fetch, write],
            {} if self._every is None else {"*": ANY_METRIC},
            description="Checks and metrics of cluster nodes",
        )


def digest() -> str:
    """Return the SHA-256 of the concatenated programs, in the order of their names."""
    text = b"".join(file.read_bytes() for file in sorted(PROGRAMS.glob("*.py")))
    return hashlib.sha256(text).hexdigest()
