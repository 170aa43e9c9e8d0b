"""12.8 billion parameters on 16 nodes in eight partition groups of two nodes."""

from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
NODES = 128 // GPUS_PER_NODE
DAY = 86_400

GPT_13B = RecipeSpec(
    name="gpt-13b",
    model=ModelSpec(layers=40, width=5120, heads=40),
    data=DataSpec(global_batch=1024, micro_batch=4),
    steps=125_000,
    nodes=NODES,
    # 12.8 GB of state on each 40 GB GPU; one node alone would hold 25.7.
    partition_size=2 * GPUS_PER_NODE,
    engine=TorchrunEngine(
        base="gpt-30b-p4d",
        hierarchical_gather=True,
        settings=(("optimizer.learning_rate", "1.2e-4"),),
    ),
    # 0.18 TB (14 bytes each) in 80 s at staging's 2.3 GB/s, several times an hour.
    checkpoint=CheckpointSpec(every_steps=100),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=DAY),
)
