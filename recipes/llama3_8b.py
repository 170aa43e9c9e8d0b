"""Llama 3 8B under torchtitan on 16 nodes, MiCS with two nodes to a partition group."""

from ultracluster.spec.engines import TorchtitanEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec

GPUS_PER_NODE = 8
DAY = 86_400

LLAMA3_8B = RecipeSpec(
    name="llama3-8b",
    model=TorchtitanModelSpec(family="llama3", flavor="8B", sequence=8192),
    data=DataSpec(global_batch=512, micro_batch=1),
    steps=120_000,
    nodes=16,
    # 8 GB of state on each 40 GB GPU: beside the 16 of a group of one node, activations lack room.
    partition_size=2 * GPUS_PER_NODE,
    engine=TorchtitanEngine(base="llama3-8b"),
    checkpoint=CheckpointSpec(every_steps=250),
    limits=LimitsSpec(max_runtime_seconds=28 * DAY, max_pending_seconds=DAY),
)
