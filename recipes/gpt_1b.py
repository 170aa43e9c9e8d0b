"""1.3 billion parameters on two nodes: an hour that shows that everything works."""

from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import RecipeSpec

HOUR = 3600

GPT_1B = RecipeSpec(
    name="gpt-1b",
    model=ModelSpec(layers=24, width=2048, heads=16),
    data=DataSpec(global_batch=256, micro_batch=8),
    steps=200,
    nodes=2,
    # 2.6 GB of state on each GPU, and no weight leaves its node.
    partition_size=8,
    engine=TorchrunEngine(base="gpt-1b"),
    checkpoint=CheckpointSpec(every_steps=50),
    limits=LimitsSpec(max_runtime_seconds=2 * HOUR, max_pending_seconds=HOUR),
    # Trying again costs minutes less where the instances are still there.
    warm_pool_seconds=1800,
    retry_attempts=3,
)
