"""How often a training job writes checkpoints, and how long it may run."""

from typing import Annotated

from pydantic import Field

from ultracluster.catalogue.training_rules import MOST_SECONDS
from ultracluster.spec.base import Spec


class CheckpointSpec(Spec):
    """How often a checkpoint is written; all nodes write it to the file system together."""

    every_steps: Annotated[int, Field(ge=1)]
    """Optimizer steps between two checkpoints."""

    keep: Annotated[int, Field(ge=2)] = 3
    """How many of the newest checkpoints are kept; at least two, as the newest may be damaged."""


class LimitsSpec(Spec):
    """How long a job may take."""

    max_runtime_seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)]
    """Longest run time in seconds, of all attempts together; at most 28 days."""

    max_pending_seconds: Annotated[int, Field(ge=1800, le=MOST_SECONDS)] | None = None
    """Longest wait for capacity in seconds; None takes SageMaker's default."""
