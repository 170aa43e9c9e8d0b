"""Llama 3 70B under torchtitan on 64 nodes: eight GPUs to a layer, groups of eight nodes."""

from ultracluster.spec.engines import TorchtitanEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
DAY = 86_400

LLAMA3_70B = RecipeSpec(
    name="llama3-70b",
    model=TorchtitanModelSpec(family="llama3", flavor="70B", sequence=8192),
    # Four sequences at a time: weights come over the network for each micro-batch.
    data=DataSpec(global_batch=1024, micro_batch=4),
    steps=240_000,
    nodes=64,
    # 17.6 GB of state on each 40 GB GPU.
    partition_size=8 * GPUS_PER_NODE,
    tensor_parallel=GPUS_PER_NODE,
    engine=TorchtitanEngine(base="llama3-70b", recompute="full"),
    checkpoint=CheckpointSpec(every_steps=100),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=7 * DAY),
)
