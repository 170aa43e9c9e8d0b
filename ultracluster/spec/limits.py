"""When a training job writes its state, and how long it may take."""

from typing import Annotated

from pydantic import Field

from ultracluster.catalogue.training_rules import MOST_SECONDS
from ultracluster.spec.base import Spec


class CheckpointSpec(Spec):
    """When the state is written: onto the file system, which all nodes write together."""

    every_steps: Annotated[int, Field(ge=1)]
    """Optimizer steps between two checkpoints."""

    keep: Annotated[int, Field(ge=2)] = 3
    """Newest checkpoints that are kept; one is for the case that the newest is damaged."""


class LimitsSpec(Spec):
    """How long a job may take."""

    max_runtime_seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)]
    """Most seconds that it runs, all attempts together; at most 28 days."""

    max_pending_seconds: Annotated[int, Field(ge=1800, le=MOST_SECONDS)] | None = None
    """Most seconds that it waits for capacity; None leaves it to SageMaker."""
