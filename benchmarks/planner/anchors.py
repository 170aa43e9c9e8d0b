"""Other published and measured runs, none of which anything was fitted to.

What a source does not say is assumed, and said to be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ultracluster.catalogue.instances import find
from ultracluster.planner.devices import BY_ROW, EFA_HOP, NCCL_HOP, Network, gpu_of, network_of
from ultracluster.planner.layout import Layout, Setup
from ultracluster.planner.memory import Memory, memory
from ultracluster.planner.plan import Planner, plan
from ultracluster.planner.question import Question
from ultracluster.planner.shape import ModelShape, of_size
from ultracluster.planner.software import EFFICIENCY_2022, network_for, stack_for
from ultracluster.planner.step import Step, step
from ultracluster.planner.uncertainty import uncertainty

BLOOMBERG: Final = ModelShape(layers=70, hidden=7680, heads=40, vocabulary=131_072, sequence=2048)
"""BloombergGPT, arXiv 2303.17564: 50.56 B parameters."""
BLOOMBERG_TOKENS: Final = 569e9
BLOOMBERG_NODES: Final = 64
BLOOMBERG_PARTITION: Final = 128
BLOOMBERG_SECONDS: Final = 32.5
BLOOMBERG_BATCH: Final = 2048 * 2048


@dataclass(frozen=True, slots=True)
class Anchor:
    """One run.

    Attributes:
        run: What it was.
        unit: Of the two values.
        published: As published.
        predicted: By the planner.
        assumed: What the source does not say.
        source: Where it was read.
    """

    run: str
    unit: str
    published: float
    predicted: float
    assumed: str
    source: str

    @property
    def error(self) -> float:
        """Predicted over published, less one."""
        return self.predicted / self.published - 1


def bloomberg_question(software: str = "") -> Question:
    """Return what the planner is asked about BloombergGPT."""
    return Question(
        BLOOMBERG,
        BLOOMBERG_TOKENS,
        "p4d.24xlarge",
        nodes=BLOOMBERG_NODES,
        batch_tokens=BLOOMBERG_BATCH,
        software=software,
    )


def bloomberg() -> Iterator[str]:
    """Yield what the planner says of BloombergGPT, in lines of Markdown."""
    asked = bloomberg_question()
    found = plan(asked)
    low, high = uncertainty(found).step_seconds
    layout = found.outcome.step.layout
    inside = "inside" if low <= BLOOMBERG_SECONDS <= high else "**outside**"
    yield (
        f"- Partition group: published {BLOOMBERG_PARTITION}, planned **{layout.group}** "
        f"(micro-batch {layout.micro_batch} x {layout.accumulation})."
    )
    yield (
        f"- Step: published {BLOOMBERG_SECONDS} s; planned {found.outcome.step.seconds:.1f} s, "
        f"range **{low:.1f} to {high:.1f} s**: the published value is {inside}."
    )
    old = _bloomberg_in_2022()
    error = old.seconds / BLOOMBERG_SECONDS - 1
    yield (
        f"- With the software and network of its time (`--software 2022`) and its own group of "
        f"{BLOOMBERG_PARTITION}: {old.seconds:.1f} s, {error:+.1%}. Its micro-batch is not "
        "published; 4 x 1 is assumed."
    )


def _bloomberg_in_2022() -> Step:
    planner = Planner(bloomberg_question("2022"))
    layout = Layout(512, BLOOMBERG_PARTITION, 1, 4, 1, checkpointing=True, hierarchical=True)
    return step(planner.setup, layout)


@dataclass(frozen=True, slots=True)
class Shipped:
    """A layout that somebody published for p4d.24xlarge, so that it must fit."""

    name: str
    shape: ModelShape
    layout: Layout
    source: str

    def holding(self) -> Memory:
        """Return what the memory model says of it."""
        p4d = find("p4d.24xlarge")
        gpu = gpu_of(p4d)
        assert gpu is not None  # noqa: S101 - p4d is in the table
        return memory(Setup(self.shape, gpu, network_of(p4d), stack_for(gpu, "")), self.layout)


SHIPPED: Final = (
    Shipped(
        "BloombergGPT, 64 nodes, groups of 128",
        BLOOMBERG,
        Layout(512, 128, micro_batch=4),
        "arXiv 2303.17564; micro-batch not published, 4 is the most it can be",
    ),
    Shipped(
        "GPT2-30B, 16 nodes, degree 32, batch 10",
        ModelShape(48, 7168, 64, 50_257, 1_024, learned_positions=True),
        Layout(128, 32, micro_batch=10),
        "aws/amazon-sagemaker-examples smp-train-gpt-sharded-data-parallel, blocks of 1,024 tokens",
    ),
    Shipped(
        "GPT-NeoX-20B, 4 nodes, degree 32, batch 8",
        ModelShape(44, 6144, 64, 50_432, 2_048, tied=False),
        Layout(32, 32, micro_batch=8),
        "the same repository; sequence of 2,048 assumed",
    ),
    Shipped(
        "Falcon-7B, 2 nodes, degree 16, batch 4",
        ModelShape(32, 4544, 71, 65_024, 2_048, key_value_heads=1),
        Layout(16, 16, micro_batch=4),
        "the same repository; sequence of 2,048 assumed",
    ),
)


def anchors() -> Iterator[Anchor]:
    """Yield every run."""
    yield from _megatron()
    yield from _p4d()
    yield from _torchtitan()
    yield from _training_program()


def _megatron() -> Iterator[Anchor]:
    """Megatron-LM with tensor parallelism and no pipeline, 2021; hardware TFLOPS of a GPU.

    FLOPs as its paper counts them: 96 B s l h^2 (1 + s/6h + V/16lh).
    """
    gpu = BY_ROW["a100_80gb"]
    stack = stack_for(gpu, "2022")
    network = Network(8, 8 * 25e9, 0.84, NCCL_HOP)
    vocabulary, s = 51_200, 2_048
    for name, layers, h, heads, tensor, micro, batch, gpus, published in (
        ("1.7B", 24, 2304, 24, 1, 16, 512, 32, 137),
        ("3.6B", 30, 3072, 32, 2, 16, 512, 64, 138),
        ("7.5B", 36, 4096, 32, 4, 16, 512, 128, 142),
        ("18B", 40, 6144, 48, 8, 8, 1024, 256, 135),
    ):
        shape = ModelShape(layers, h, heads, vocabulary, s, learned_positions=True)
        accumulation = batch // (gpus // tensor) // micro
        layout = Layout(gpus, 1, tensor, micro, accumulation, checkpointing=True)
        seconds = step(Setup(shape, gpu, network, stack), layout).seconds
        parts = 1 + s / (6 * h) + vocabulary / (16 * layers * h)
        flops = 96 * batch * s * layers * h * h * parts
        yield Anchor(
            f"Megatron {name}, {gpus} A100 80GB, tensor {tensor}",
            "hardware TFLOPS",
            published,
            flops / seconds / gpus / 1e12,
            "no flash attention; 8 x 200 Gbps, 84 %",
            "Megatron-LM images/cases_april2021.png, examples/sc21/run_table_1.sh",
        )


def _p4d() -> Iterator[Anchor]:
    """p4d.24xlarge in 2021 and 2022 with DeepSpeed ZeRO-3, partitioned over all; model TFLOPS."""
    instance = find("p4d.24xlarge")
    gpu = gpu_of(instance)
    assert gpu is not None  # noqa: S101 - the question's own check
    network = network_for(network_of(instance), "2022")
    stack = stack_for(gpu, "2022")
    shape_words = f"shape, micro-batch; network at {EFFICIENCY_2022:.0%} of its line rate"
    for name, size, gpus, published in (
        ("RoBERTa-10B", 10e9, 64, 92.07),
        ("RoBERTa-52B", 52e9, 64, 116.06),
        ("RoBERTa-52B", 52e9, 256, 108.0),
    ):
        shape = of_size(size, vocabulary=50_265, sequence=512)
        found = step(Setup(shape, gpu, network, stack), Layout(gpus, gpus, micro_batch=16))
        yield Anchor(
            f"{name}, ZeRO-3, {gpus} A100 40GB",
            "model TFLOPS (6N)",
            published,
            6 * shape.parameters * found.tokens_per_second / gpus / 1e12,
            shape_words,
            "DeepSpeed pull request 1453",
        )


def _torchtitan() -> Iterator[Anchor]:
    """Llama 3.1 8B under FSDP2, 2024, on H100 of 96 GB HBM2e (2.4 TB/s) limited to 500 W."""
    gpu = replace(BY_ROW["h100_80gb"], memory_bandwidth=2.4e12, memory=94 * 2**30)
    stack = stack_for(gpu, "fsdp")
    network = Network(8, 8 * 50e9, 0.84, NCCL_HOP)
    shape = ModelShape(
        layers=32,
        hidden=4096,
        heads=32,
        vocabulary=128_256,
        sequence=8_192,
        feed_forward=14_336,
        gated=True,
        key_value_heads=8,
        tied=False,
    )
    for gpus, published in ((8, 5_762), (128, 5_605)):
        found = step(Setup(shape, gpu, network, stack), Layout(gpus, gpus, micro_batch=2))
        yield Anchor(
            f"Llama 3.1 8B, FSDP, {gpus} H100 96GB",
            "tokens/s/GPU",
            published,
            found.tokens_per_second / gpus,
            "all blocks recomputed, where it was a selection; no power limit",
            "torchtitan benchmarks/llama3_h100_202412_torchtitan.md",
        )


def _training_program() -> Iterator[Anchor]:
    """One H100 80GB, torch 2.11, compiled; the first row alone gives `--software compiled`."""
    gpu = BY_ROW["h100_80gb"]
    stack = replace(stack_for(gpu, "compiled"), step_overhead=0.0)
    network = Network(8, 400e9, 1.0, EFA_HOP)
    for name, layers, h, heads, s, micro, recomputed, published in (
        ("1.31B, batch 8", 24, 2048, 16, 2048, 8, False, 64_816),
        ("1.31B, batch 16, recomputed", 24, 2048, 16, 2048, 16, True, 52_871),
        ("2.65B, batch 4", 32, 2560, 20, 2048, 4, False, 30_096),
        ("2.65B, batch 16, recomputed", 32, 2560, 20, 2048, 16, True, 27_032),
        ("124M, batch 64", 12, 768, 12, 1024, 64, False, 455_115),
    ):
        shape = ModelShape(layers, h, heads, 50_304, s, learned_positions=True)
        layout = Layout(1, 1, micro_batch=micro, checkpointing=recomputed)
        found = step(Setup(shape, gpu, network, stack), layout)
        yield Anchor(
            f"one H100, {name}",
            "tokens/s",
            published,
            found.tokens_per_second,
            "shape of 2.65B" if "2.65" in name else "",
            "measured by this project (another script than the shipped one)",
        )
