"""Slurm on the cluster's nodes, managed by AWS Parallel Computing Service (PCS)."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from ultracluster.catalogue.images import PCS_READY_AMI as PCS_READY_AMI  # noqa: PLC0414 - for environments
from ultracluster.catalogue.slurm import CONTROLLER_ADDRESSES, size_for
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, UndeterminedError, rule

PCS_READY_AMI_ARM64: Final = PCS_READY_AMI.replace("x86_64", "arm64")

QUEUE_NAME: Final = re.compile(r"(?!pcs_)[A-Za-z][A-Za-z0-9-]{2,24}")
"""AWS PCS API, `QueueName` (botocore 1.43.106)."""
INSTANCE_TYPE: Final = re.compile(r"[a-z][a-z0-9-]*\.(metal(-\d+xl)?|\d*x?large|medium|small)")
GRAVITON: Final = re.compile(r"[a-z]+\d+g[a-z]*\.")
"""Families of arm64 instances have a g behind the generation: m7g, c8gn (EC2, naming)."""
LONGEST_NAME: Final = 25 - len("login-")


class SlurmSpec(Spec):
    """A PCS cluster that starts the environment's nodes for jobs, and stops idle ones.

    With it, PCS launches the nodes on the environment's launch template, placement group and
    capacity; there is no Auto Scaling group beside it.
    """

    version: Literal["24.11", "25.05", "25.11", "26.05"] = "25.11"
    """Version of Slurm; it must be on the image as well."""

    size: Literal["SMALL", "MEDIUM", "LARGE"] | None = None
    """What the controller is sized for: 32, 512 or 2,048 instances. None takes the smallest that
    holds nodes and login nodes; a larger one leaves room, as a change replaces the cluster."""

    queue: str = "train"
    """Name of the queue, which is the partition that users write after `sbatch --partition`."""

    least_nodes: Annotated[int, Field(ge=0)] = 0
    """Nodes that are kept running without a job; each of them is billed."""

    idle_seconds: Annotated[int, Field(ge=60, le=86400)] = 600
    """Time without a job after which a node is stopped."""

    accounting_days: Annotated[int, Field(ge=-1, le=10000)] | None = None
    """Days for which job records are kept, -1 for ever. None keeps none: accounting is billed."""

    login_instance_type: str | None = "m6i.xlarge"
    """Instance type of the login nodes; None has none."""

    login_nodes: Annotated[int, Field(ge=1, le=8)] = 1
    """Login nodes, reached by Systems Manager sessions; they always run."""

    login_image: str | None = None
    """AMI id or SSM parameter of the login nodes; None takes the nodes' own image. With one of
    their own they stay as they are when the nodes' changes: PCS replaces login nodes at every
    update of their group, with all sessions on them."""

    @property
    def login_architecture(self) -> str:
        """Architecture of the login nodes' instance type."""
        return "arm64" if GRAVITON.match(self.login_instance_type or "") else "x86_64"

    @property
    def login_instances(self) -> int:
        return 0 if self.login_instance_type is None else self.login_nodes

    @property
    def sound_login_type(self) -> str | None:
        """Instance type of the login nodes, where it can be one."""
        given = self.login_instance_type
        if given is not None and not INSTANCE_TYPE.fullmatch(given):
            raise UndeterminedError(given)
        return given

    @property
    def addresses(self) -> int:
        """Private IPv4 addresses of all but the nodes: controller and login nodes."""
        return CONTROLLER_ADDRESSES + self.login_instances

    def cluster_size(self, nodes: int) -> str:
        """Return the Size of the cluster with so many nodes.

        Raises:
            UndeterminedError: where no size manages them.
        """
        size = self.size or size_for(nodes + self.login_instances)
        if size is None:
            raise UndeterminedError("size")
        return size

    @rule
    def _queue_is_a_name(self) -> Iterator[Problem]:
        if not QUEUE_NAME.fullmatch(self.queue):
            clean = re.sub(r"[^A-Za-z0-9-]+", "-", self.queue).lstrip("-0123456789")[:25]
            yield self.problem_of(
                "queue",
                "PCS takes 3 to 25 letters, digits and hyphens, a letter first; write "
                f'"{clean if len(clean) > 2 else "train"}"',  # noqa: PLR2004
            )

    @rule
    def _accounting_is_kept_for_days(self) -> Iterator[Problem]:
        if self.accounting_days == 0:
            yield self.problem_of(
                "accounting_days",
                "PCS takes -1 (for ever) or 1 to 10,000 days; write None for no accounting",
            )

    @rule
    def _login_type_is_one(self) -> Iterator[Problem]:
        given = self.login_instance_type
        if given is None:
            return
        if not INSTANCE_TYPE.fullmatch(given):
            fix = 'write an EC2 instance type such as "m6i.xlarge", or None for no login nodes'
            yield Problem("login_instance_type", given, fix)
        elif len(given) > LONGEST_NAME:
            fix = (
                "the node group is named after it, and names end at 25 characters; write m6i.xlarge"
            )
            yield Problem("login_instance_type", given, fix)
