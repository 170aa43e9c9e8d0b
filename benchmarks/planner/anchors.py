"""Other published and measured runs, none of which anything was fitted to.

What a source does not say is assumed, and said to be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ultracluster.catalogue.instances import find
from ultracluster.planner.devices import BY_ROW, EFA_HOP, Network, gpu_of, network_of
from ultracluster.planner.layout import KEPT, RECOMPUTED, Layout, Only, Setup
from ultracluster.planner.memory import Memory, memory
from ultracluster.planner.plan import plan
from ultracluster.planner.question import Question
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import stack_for
from ultracluster.planner.step import step
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
        only=Only(group=BLOOMBERG_PARTITION, tensor=1, micro_batch=4, pipeline=1)
        if software
        else Only(pipeline=1),
    )


def bloomberg() -> Iterator[str]:
    """Yield what the planner says of BloombergGPT, in lines of Markdown."""
    for software in ("", "2022"):
        found = plan(bloomberg_question(software))
        low, high = uncertainty(found).step_seconds
        layout = found.outcome.step.layout
        inside = "inside" if low <= BLOOMBERG_SECONDS <= high else "**outside**"
        words = "With the software of its time (`--software 2022`) and its own layout, "
        words = words + "4 x 1 assumed" if software else "With today's software"
        yield (
            f"- {words}: partition group published {BLOOMBERG_PARTITION}, planned "
            f"**{layout.group}** (micro-batch {layout.micro_batch} x {layout.accumulation}); step "
            f"published {BLOOMBERG_SECONDS} s, planned {found.outcome.step.seconds:.1f} s, range "
            f"**{low:.1f} to {high:.1f} s**: the published value is {inside}."
        )


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
    """One H100 80GB, torch 2.11, compiled; with `--software compiled`."""
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
        layout = Layout(1, 1, micro_batch=micro, activations=RECOMPUTED if recomputed else KEPT)
        found = step(Setup(shape, gpu, network, stack), layout)
        yield Anchor(
            f"one H100, {name}",
            "tokens/s",
            published,
            found.tokens_per_second,
            "shape of 2.65B" if "2.65" in name else "",
            "measured by this project (another script than the shipped one)",
        )
