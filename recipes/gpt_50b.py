"""50 billion parameters, MiCS over 128 GPUs in four replicas: BloombergGPT's layout.

arXiv 2303.17564: 64 x p4d.24xlarge, 70 layers of width 7,680, 40 heads, 131,072 tokens, sequence
2,048, global batch 2,048; 32.5 s a step.
"""

from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
NODES = 512 // GPUS_PER_NODE
DAY = 86_400

GPT_50B = RecipeSpec(
    name="gpt-50b-mics",
    model=ModelSpec(layers=70, width=7680, heads=40, vocabulary=131_072),
    data=DataSpec(global_batch=2048, micro_batch=2),
    steps=139_200,
    nodes=NODES,
    # 6.3 GB of state on each GPU; what is gathered for a layer and the logits take the rest.
    partition_size=128,
    engine=TorchrunEngine(
        base="gpt-30b-p4d",
        hierarchical_gather=True,
        settings=(("optimizer.learning_rate", "6e-5"), ("optimizer.warmup_steps", "1800")),
    ),
    # At 32.5 s a step: every 27 minutes, of which writing takes 7 s at 98 GB/s.
    checkpoint=CheckpointSpec(every_steps=50),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=7 * DAY),
)
