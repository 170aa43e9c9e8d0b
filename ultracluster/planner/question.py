"""The question to the planner, and its validation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ultracluster.catalogue import prices
from ultracluster.catalogue.instances import InstanceType, UnknownInstanceTypeError, find
from ultracluster.planner.devices import GPUS, Gpu, comparable_types, gpu_of
from ultracluster.planner.goodput import RATES, FailureRate
from ultracluster.planner.layout import Only
from ultracluster.planner.measurement import NetworkMeasurement, RunMeasurement
from ultracluster.planner.price import ON_DEMAND, OPTIONS, ways_to_buy
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import SOFTWARE, SoftwareStack, known_on, stack_for
from ultracluster.problem import Problem, choices

MOST_NODES = 32_768
"""Nodes that are planned for: 262,144 GPUs of p5, or 32,768 of a type with one."""
SEARCHED_NODES = 8_192
"""Nodes up to which a search for days or a budget looks."""
SEARCHED: Final = (*range(1, 512), *range(512, SEARCHED_NODES + 1, 128))
"""Numbers of nodes that a search for days or a budget tries: beyond 4,096 GPUs few."""
COMPARED: Final = (*range(1, 8), *(n * 2**k for k in range(12) for n in range(8, 16)), MOST_NODES)
"""Numbers of nodes that are tried of another type."""
CLOSE: Final = 16
"""Nodes by which the fewest of two numbers that were tried are looked for, or a quarter of what
lies between them."""
DEFAULT_BATCH = 4 * 2**20
"""Tokens of one optimizer step: what BloombergGPT and Llama used."""
DEFAULT_DAYS = 60.0
"""Days that a plan aims at where neither nodes, days nor a budget are given."""
DEFAULT_RESTART_MINUTES = 15.0
"""From a failure to the first new step, where nobody timed it."""
MOST_TOKENS = 1e17
LARGEST_BATCH = 2**30
LONGEST_DAYS = 3_650.0
"""Beyond ten years no plan is feasible: the machines are older than that."""
LARGEST_BUDGET = 1e12
DAY_MINUTES = 1440.0
LEAST_FAILURES = 1e-6


class PlanError(ValueError):
    """A plan that cannot be made; one line that says why and what to write instead."""


@dataclass(frozen=True)
class Question:
    """What is asked."""

    shape: ModelShape
    tokens: float
    instance_type: str
    region: str = "us-east-1"
    """Whose prices."""
    nodes: int | None = None
    """So many, or None."""
    days: float | None = None
    """At most so many, or None."""
    budget: float | None = None
    """At most so many USD, or None."""
    batch_tokens: int = DEFAULT_BATCH
    software: str = ""
    """A name of `planner.stack.SOFTWARE`, or "" where it is not known."""
    fp8: bool = False
    """Whether products are in 8 bits; all else stays in 16."""
    failures: str | float = "rsc-1"
    """Name of a rate, or failures per node and day."""
    restart_minutes: float | None = None
    """From a failure to the first new step, or None where nobody timed it."""
    checkpoint_share: float = 0.02
    purchase: str = ON_DEMAND
    only: Only = Only()  # noqa: RUF009 - it is frozen
    node_gbps: float | None = None
    """Of all network cards of a node, where it is not the instance type's network."""
    network: NetworkMeasurement | None = None
    """Measured by nccl-tests, or None."""
    run: RunMeasurement | None = None
    """Measured by the training program, or None."""

    @property
    def instance(self) -> InstanceType:
        return find(self.instance_type)

    @property
    def batch(self) -> int:
        """Sequences of one optimizer step."""
        return max(1, round(self.batch_tokens / self.shape.sequence))

    @property
    def restart_seconds(self) -> float:
        """From a failure to the first new step."""
        minutes = self.restart_minutes
        return 60 * (DEFAULT_RESTART_MINUTES if minutes is None else minutes)

    @property
    def rate(self) -> FailureRate:
        if isinstance(self.failures, str):
            return RATES[self.failures]
        return FailureRate(self.failures, "given")

    def stack_on(self, gpu: Gpu) -> SoftwareStack:
        return stack_for(gpu, self.software, fp8=self.fp8)

    def problems(self) -> Iterator[Problem]:
        yield from self.shape.problems()
        yield from self._machine()
        yield from self._numbers()
        given = {"--nodes": self.nodes, "--days": self.days, "--budget": self.budget}
        several = [name for name, value in given.items() if value is not None]
        if len(several) > 1:
            fix = "only one of them can be given, as each determines the others; write one"
            them = "both" if len(several) == 2 else "all three"  # noqa: PLR2004
            yield Problem(" and ".join(several), them, fix)

    def _machine(self) -> Iterator[Problem]:
        try:
            instance = self.instance
        except UnknownInstanceTypeError as error:
            # The catalogue's own list is of all that has EFA, most of which no plan is made for.
            words, _, rest = str(error).partition("write one of ")
            fix = f"{words}write {choices(comparable_types())}" if rest else words
            yield Problem("--instance", self.instance_type, fix)
            return
        gpu = gpu_of(instance)
        if gpu is None:
            known = ", ".join(sorted({gpu.name for gpu in GPUS.values()}))
            fix = f"the training speed of {instance.accelerator.name} is not known, only of {known}"
            fix += f"; write {choices(comparable_types())}"
            yield Problem("--instance", self.instance_type, fix)
        elif self.software in SOFTWARE and not known_on(gpu, self.software):
            fix = "it was measured on H100 alone; write fsdp, or measure it on "
            fix += f"{self.instance_type} and write --calibrate metrics.jsonl"
            yield Problem("--software", self.software, fix)
        elif self.fp8 and not known_on(gpu, "compiled"):
            fix = f"{gpu.name} cannot multiply in 8 bits; leave --fp8 out, or write p5.48xlarge"
            yield Problem("--instance", self.instance_type, fix)
        regions = [region for region in sorted(prices.regions()) if instance.zones(region)]
        if not regions:
            fix = "no Region is known that offers it; write p6-b200.48xlarge"
            yield Problem("--instance", self.instance_type, fix)
            return
        if instance.zones(self.region) == ():
            fix = f"{self.instance_type} is not offered there"
            yield Problem("--region", self.region, f"{fix}; write {choices(regions)}")
        if self.purchase not in OPTIONS:
            yield Problem("--purchase", self.purchase, f"write {choices(OPTIONS)}")
        elif self.purchase not in (sold := ways_to_buy(instance)):
            fix = f"{self.instance_type} cannot be bought that way; write {choices(sold)}"
            yield Problem("--purchase", self.purchase, fix)

    def _numbers(self) -> Iterator[Problem]:
        for field, value, low, high, unit in (
            ("--tokens", self.tokens, 1e6, MOST_TOKENS, "tokens"),
            ("--nodes", self.nodes, 1, MOST_NODES, "nodes"),
            ("--days", self.days, 1e-3, LONGEST_DAYS, "days"),
            ("--budget", self.budget, 1.0, LARGEST_BUDGET, "USD"),
            ("--batch-tokens", self.batch_tokens, 1, LARGEST_BATCH, "tokens"),
            ("--partition", self.only.group, 1, 8 * MOST_NODES, "GPUs"),
            ("--tensor", self.only.tensor, 1, 8, "GPUs"),
            ("--pipeline", self.only.pipeline, 1, self.shape.layers, "stages"),
            ("--interleave", self.only.chunks, 1, self.shape.layers, "chunks"),
            ("--context", self.only.context, 1, 1024, "GPUs"),
            ("--expert-parallel", self.only.expert, 1, max(1, 8 * self.shape.experts), "GPUs"),
            ("--node-gbps", self.node_gbps, 1, 100_000, "Gbps"),
            ("--micro-batch", self.only.micro_batch, 1, 4096, "sequences"),
            ("--restart-minutes", self.restart_minutes, 0, DAY_MINUTES, "minutes"),
            ("--checkpoint-share", self.checkpoint_share, 1e-4, 0.5, "of the time"),
        ):
            if value is not None and not low <= value <= high:
                fix = f"write {low:,.10g} to {high:,.10g} {unit}"
                yield Problem(field, value, fix if low < high else "it can only be 1; leave it out")
        if self.software and self.software not in SOFTWARE:
            yield Problem("--software", self.software, f"write {choices(tuple(SOFTWARE))}")
        if isinstance(self.failures, str) and self.failures not in RATES:
            fix = f"write {choices(tuple(RATES))}, or failures per node and day"
            yield Problem("--failures", self.failures, fix)
        elif isinstance(self.failures, float) and not LEAST_FAILURES <= self.failures <= 1:
            fix = "write failures per node and day, 0.000001 to 1"
            yield Problem("--failures", self.failures, fix)
