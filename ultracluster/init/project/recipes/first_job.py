"""A small model on both nodes: whether everything works, in an hour at most."""

from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import RecipeSpec

HOUR = 3600

FIRST_JOB = RecipeSpec(
    name="first-job",
    model=ModelSpec(layers=24, width=2048, heads=16),
    data=DataSpec(global_batch=256, micro_batch=8),
    steps=200,
    nodes=2,
    # 8 GPUs hold one copy of the model's state, so that no weight leaves its node.
    partition_size=8,
    engine=TorchrunEngine(base="gpt-1b"),
    checkpoint=CheckpointSpec(every_steps=50),
    limits=LimitsSpec(max_runtime_seconds=HOUR, max_pending_seconds=HOUR),
    image="v1",
)
