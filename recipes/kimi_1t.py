"""1.03 trillion parameters on 512 nodes: Kimi K2.5's text model as torchtitan has it.

A mixture of 384 experts of which 8 work on a token, so that 32 billion parameters do.
"""

from ultracluster.spec.engines import TorchtitanEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
NODES = 4096 // GPUS_PER_NODE
DAY = 86_400

KIMI_1T = RecipeSpec(
    name="kimi-1t",
    model=TorchtitanModelSpec(family="kimi_k2_7", flavor="Kimi-K2.5", sequence=4096),
    data=DataSpec(global_batch=4096, micro_batch=1),
    steps=900_000,
    nodes=NODES,
    partition_size=16 * GPUS_PER_NODE,
    engine=TorchtitanEngine(
        base="kimi-1t", pipeline_parallel=16, expert_parallel=64, recompute="full"
    ),
    checkpoint=CheckpointSpec(every_steps=50),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=7 * DAY),
)
