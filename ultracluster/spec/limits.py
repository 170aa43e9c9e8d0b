"""When a training job writes its state, and how long it may take."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ultracluster.catalogue.training_rules import MOST_SECONDS
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, rule


class CheckpointSpec(Spec):
    """When the state is written, and where."""

    every_steps: Annotated[int, Field(ge=1)]
    """Optimizer steps between two checkpoints."""

    keep: Annotated[int, Field(ge=2)] = 3
    """Newest checkpoints that are kept; one is for the case that the newest is damaged."""

    place: Literal["lustre", "local"] = "lustre"
    """`lustre`: the file system, which all nodes write together. `local`: the node's own disk,
    copied to S3 by SageMaker while the job runs; for a job of one node."""


class LimitsSpec(Spec):
    """How long a job may take."""

    max_runtime_seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)]
    """Most seconds that it runs, all attempts together; at most 28 days."""

    max_pending_seconds: Annotated[int, Field(ge=1800, le=MOST_SECONDS)] | None = None
    """Most seconds that it waits for capacity; None leaves it to SageMaker."""

    max_wait_seconds: Annotated[int, Field(ge=1)] | None = None
    """Most seconds that a job on spot capacity waits and runs."""

    @rule
    def _waiting_holds_running(self) -> Iterator[Problem]:
        if self.max_wait_seconds is not None and self.max_wait_seconds < self.max_runtime_seconds:
            fix = f"it is the time to wait and to run; write {self.max_runtime_seconds} or more"
            yield self.problem_of("max_wait_seconds", fix)
