"""Published runs on several nodes, each as the command `ultracluster plan` that describes it.

What is judged is what the command says: its options are read by its own parser, and the plan is the
one that it prints. Which rows may be fitted to was fixed before the first fit: see `part`.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks.planner.published import ROWS, published
from ultracluster.plan.arguments import question
from ultracluster.plan.command import add_arguments
from ultracluster.planner.outcome import Plan
from ultracluster.planner.plan import plan
from ultracluster.planner.uncertainty import uncertainty

OTHERS: Final = Path(__file__).with_name("other_runs.csv")
LATER: Final = Path(__file__).with_name("held_runs.csv")
GIVEN: Final = ("39.1B", "145.6B", "529.6B")
"""The rows of Megatron's table that its one constant is fitted to; the other seven are not."""
GUESSED: Final = "shape"
"""In what had to be assumed: nobody knows what ran."""

FITTED, HELD, NOT_COMPARABLE = "fitted to", "never fitted to", "shape not published"


@dataclass(frozen=True)
class Command:
    """One run.

    Attributes:
        run: What it was.
        published: Tokens a second and GPU.
        options: Of the command.
        assumed: What the source does not say.
        source: Where it was read.
        later: Whether everything had been fitted when it was first predicted.
    """

    run: str
    published: float
    options: str
    assumed: str
    source: str
    later: bool = False

    @cached_property
    def software(self) -> str:
        """The kind of program."""
        words = self.options.split()
        return words[words.index("--software") + 1]

    @property
    def part(self) -> str:
        """Whether constants may be fitted to it.

        Of FSDP's rows those whose digest is even; of Megatron's the three that were given; of
        all other programs none.
        """
        if GUESSED in self.assumed:
            return NOT_COMPARABLE
        if self.later:
            return HELD
        if self.software == "megatron":
            given = any(f"Megatron {size}," in self.run for size in GIVEN)
        else:
            given = (
                self.software == "fsdp" and hashlib.sha256(self.run.encode()).digest()[0] % 2 == 0
            )
        return FITTED if given else HELD

    @cached_property
    def plan(self) -> Plan:
        """What the command plans."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        words = ["--tokens", "1e10", *self.options.split()]
        return plan(question(parser.parse_args(words)))

    @property
    def predicted(self) -> float:
        """Tokens a second and GPU, as the command says."""
        step = self.plan.outcome.step
        return step.tokens_per_second / step.layout.gpus

    @property
    def error(self) -> float:
        """Predicted over published, less one."""
        return self.predicted / self.published - 1

    @property
    def inside(self) -> bool:
        """Whether what was published is in the likely range."""
        low, high = self.likely
        return low <= self.published <= high

    @cached_property
    def likely(self) -> tuple[float, float]:
        """The likely range that the command prints, in tokens a second and GPU."""
        step = self.plan.outcome.step
        tokens = step.layout.sequences * step.setup.shape.sequence / step.layout.gpus
        low, high = uncertainty(self.plan).step_seconds
        return tokens / high, tokens / low


def commands(path: Path = ROWS) -> Iterator[Command]:
    """Yield the rows on several nodes of MosaicML's table, and all others."""
    for run in published(path):
        if not run.one_node:
            layout = run.layout
            name = f"MPT {run.model}, batch {layout.micro_batch} x {layout.accumulation}, "
            name += f"{layout.gpus} {run.gpu.name}"
            source = "MosaicML llm-foundry, scripts/train/benchmarking/README.md"
            rate = run.tokens_per_second_per_gpu
            yield Command(name, rate, run.options, "", source)
    yield from listed(OTHERS)


def listed(path: Path) -> Iterator[Command]:
    """Yield the rows of a file of options; see `LATER` and `OTHERS`."""
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            values = row["options"], row["assumed"], row["source"], path == LATER
            yield Command(row["run"], float(row["tokens_per_s_per_gpu"]), *values)
