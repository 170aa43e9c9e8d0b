"""1.03 trillion parameters on 64 nodes of H200: Kimi K2.5's text model as torchtitan has it.

A mixture of 384 experts of which 8 work on a token, so that 33 billion parameters do. Batches of 67
million tokens are Kimi K2's own (arXiv 2507.20534, section 2.5).
"""

from ultracluster.spec.engines import TorchtitanEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
DAY = 86_400

KIMI_1T = RecipeSpec(
    name="kimi-1t",
    model=TorchtitanModelSpec(family="kimi_k2_7", flavor="Kimi-K2.5", sequence=4096),
    data=DataSpec(global_batch=16_384, micro_batch=1),
    steps=230_000,
    nodes=64,
    instance_type="p5en.48xlarge",
    # All GPUs of a stage; tokens go to experts of their own node alone.
    partition_size=4 * GPUS_PER_NODE,
    engine=TorchtitanEngine(
        base="kimi-1t", pipeline_parallel=16, expert_parallel=GPUS_PER_NODE, recompute="full"
    ),
    checkpoint=CheckpointSpec(every_steps=100),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=7 * DAY),
)
