"""A trillion parameters on 64 nodes of H100, by the training program of this project.

One copy of the state over all GPUs, and eight of them to a layer.
"""

from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
NODES = 64
DAY = 86_400

GPT_1T = RecipeSpec(
    name="gpt-1t",
    model=ModelSpec(layers=128, width=25600, heads=160),
    data=DataSpec(global_batch=1536, micro_batch=8),
    steps=200_000,
    nodes=NODES,
    instance_type="p5.48xlarge",
    partition_size=NODES * GPUS_PER_NODE,
    tensor_parallel=GPUS_PER_NODE,
    engine=TorchrunEngine(base="gpt-1t-p5", hierarchical_gather=True),
    checkpoint=CheckpointSpec(every_steps=50),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=7 * DAY),
)
