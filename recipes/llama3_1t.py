"""1.06 trillion parameters, all of which work on every token, on 512 nodes: a wider Llama 3.

629 billion tokens; 64 stages of 64 GPUs. Llama 3 405B had batches of 16 million tokens, too (arXiv
2407.21783, table 4).
"""

from ultracluster.spec.engines import TorchtitanEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
DAY = 86_400

LLAMA3_1T = RecipeSpec(
    name="llama3-1t",
    model=TorchtitanModelSpec(family="llama3", flavor="1T", sequence=4096),
    data=DataSpec(global_batch=4096, micro_batch=1),
    steps=37_500,
    nodes=4096 // GPUS_PER_NODE,
    partition_size=8 * GPUS_PER_NODE,
    tensor_parallel=GPUS_PER_NODE,
    engine=TorchtitanEngine(base="llama3-1t", pipeline_parallel=64, recompute="full"),
    # 14.8 TB in 151 s at 98 GB/s, and a node fails every 7 hours: 44 minutes are Daly's interval.
    checkpoint=CheckpointSpec(every_steps=12),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=7 * DAY),
)
