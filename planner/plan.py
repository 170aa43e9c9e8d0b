"""A plan: from a question to nodes, layout, time, storage and money."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from constructs_lib.catalogue import instances
from planner.devices import BY_ROW, Gpu, Network, gpu_of, network_of
from planner.goodput import SECONDS_PER_DAY, Goodput, goodput
from planner.price import OPTIONS, Bill, bill
from planner.question import DEFAULT_DAYS, MOST_NODES, PlanError, Question
from planner.search import Place, RunnerUp, Search, choose, runners_up
from planner.software import network_for, stack_for
from planner.stack import Stack, faster
from planner.step import Step
from planner.storage import BYTES_PER_TOKEN, Lustre, file_system

NEWER_AND_SMALLER: Final = (
    "p4d.24xlarge",
    "p4de.24xlarge",
    "p5.48xlarge",
    "p5e.48xlarge",
    "p5en.48xlarge",
    "p6-b200.48xlarge",
    "p6-b300.48xlarge",
)
"""Types that a plan is compared with."""


@dataclass(frozen=True)
class Outcome:
    """What so many nodes achieve.

    Attributes:
        nodes: That train.
        step: The layout that is used, and its step.
        goodput: What failures leave.
        lustre: The file system.
        days: Until the last token.
    """

    nodes: int
    step: Step
    goodput: Goodput
    lustre: Lustre
    days: float

    @property
    def node_hours(self) -> float:
        """Hours of all nodes that train; spares are not counted."""
        return self.days * 24 * self.nodes


@dataclass(frozen=True)
class Point:
    """One point of the scaling curve; the rate is None where the model does not fit."""

    nodes: int
    tokens_per_second: float | None
    efficiency: float | None
    """Tokens per second of a GPU, over those of the smallest number of nodes that fits."""


@dataclass(frozen=True)
class Alternative:
    """The same training on another instance type, in as many days or fewer."""

    instance_type: str
    gpu: Gpu
    outcome: Outcome | None
    bill: Bill | None
    why_not: str = ""
    """Why there is no outcome."""


@dataclass(frozen=True)
class Plan:
    """A plan."""

    question: Question
    gpu: Gpu
    network: Network
    stack: Stack
    outcome: Outcome
    bills: tuple[Bill, ...]
    """Of every way to buy the nodes, the chosen one first."""
    runners_up: tuple[RunnerUp, ...]
    curve: tuple[Point, ...]
    smallest_groups: dict[int, int | None]
    """Fewest GPUs that hold one copy of the model, by tensor-parallel degree; None: none do."""
    notes: tuple[str, ...]
    """What must be known to read the plan."""

    @property
    def bill(self) -> Bill:
        """What it costs as it was asked to be bought."""
        return self.bills[0]


class Planner:
    """Answers one question; keeps what several of its numbers of nodes have in common.

    Args:
        question: What is asked; its problems were looked at before.

    Raises:
        PlanError: where the question has problems.
    """

    def __init__(self, question: Question) -> None:
        for problem in question.problems():
            raise PlanError(str(problem))
        gpu = gpu_of(question.instance)
        assert gpu is not None  # noqa: S101 - the question's own check
        self.question = question
        self.gpu = question.network.applied_to_gpu(gpu) if question.network else gpu
        network = network_for(network_of(question.instance), question.software)
        self.network = question.network.applied(network) if question.network else network
        self.stack = self._stack()
        place = Place(question.shape, self.gpu, self.network, self.stack, question.batch)
        self.search = Search(place)

    def _stack(self) -> Stack:
        question = self.question
        stack = stack_for(self.gpu, question.software)
        if question.run is None:
            return stack
        ran_on = question.run.gpu()
        if ran_on is None or ran_on.name != self.gpu.name:
            theirs = question.run.gpu_name or "an unknown GPU"
            raise PlanError(
                f"--calibrate: the run was on {theirs}, {question.instance_type} has "
                f"{self.gpu.name}; measure on that GPU, or leave it out"
            )
        alone = replace(stack, step_overhead=0.0) if question.run.layout.gpus == 1 else stack
        return faster(stack, question.run.factor(self.gpu, self.network, alone))

    def outcome(self, nodes: int, step: Step | None = None) -> Outcome | None:
        """Return what so many nodes achieve; None where the model does not fit on them."""
        question = self.question
        step = step or self.search.best(nodes)
        if step is None:
            return None
        rate = step.tokens_per_second(question.shape)
        mean = SECONDS_PER_DAY / (nodes * question.rate.per_node_day)
        lustre = file_system(
            checkpoint_bytes=14.0 * question.shape.parameters,
            mean_time_between_failures=mean,
            share=question.checkpoint_share,
            data_bytes=question.tokens * BYTES_PER_TOKEN,
            tokens_per_second=rate,
            region=question.region,
        )
        left = goodput(
            parameters=question.shape.parameters,
            nodes=nodes,
            rate=question.rate.per_node_day,
            write_bandwidth=min(lustre.write_bandwidth, nodes * self.network.node_bandwidth),
            restart_seconds=question.restart_minutes * 60,
        )
        if left.fraction <= 0:
            return None
        days = question.tokens / (rate * left.fraction) / SECONDS_PER_DAY
        return Outcome(nodes, step, left, lustre, days)

    def bill(self, outcome: Outcome, option: str) -> Bill | None:
        """Return what an outcome costs with its nodes bought in one way."""
        return bill(
            self.question.instance,
            option,
            nodes=outcome.nodes + outcome.goodput.spare_nodes,
            lustre=outcome.lustre,
            region=self.question.region,
            days=outcome.days,
            data_gb=self.question.tokens * BYTES_PER_TOKEN / 1e9,
        )

    def solved(self) -> Outcome:
        """Return the outcome that answers the question.

        Raises:
            PlanError: where none does.
        """
        question = self.question
        if question.nodes is not None:
            found = self.outcome(question.nodes)
            if found is None:
                raise PlanError(self._why_it_does_not_fit(question.nodes))
            return found
        if question.budget is not None:
            return self._within_budget(question.budget)
        return self.fewest(question.days or DEFAULT_DAYS)

    def fewest(self, days: float) -> Outcome:
        """Return the fewest nodes that need no more than so many days.

        Raises:
            PlanError: where even the most nodes need longer, or none hold the model.
        """
        best: Outcome | None = None
        for nodes in range(1, MOST_NODES + 1):
            found = self.outcome(nodes)
            if found is not None and found.days <= days:
                return found
            if found is not None and (best is None or found.days < best.days):
                best = found
        if best is None:
            raise PlanError(self._why_it_does_not_fit(MOST_NODES))
        raise PlanError(
            f"--days: got {days:g}; the fastest of up to {MOST_NODES:,} nodes is {best.nodes:,} "
            f"nodes in {best.days:,.1f} days; write more days or a faster --instance"
        )

    def _within_budget(self, budget: float) -> Outcome:
        best: Outcome | None = None
        cheapest: tuple[float, Outcome] | None = None
        for nodes in range(1, MOST_NODES + 1):
            found = self.outcome(nodes)
            paid = self.bill(found, self.question.purchase) if found else None
            if found is None or paid is None:
                continue
            if not paid.nodes_known:
                raise PlanError(
                    f"--budget: no price of {self.question.instance_type} by "
                    f"{self.question.purchase} in {self.question.region} is known; write --nodes "
                    "or --days"
                )
            if cheapest is None or paid.total < cheapest[0]:
                cheapest = (paid.total, found)
            if paid.total <= budget and (best is None or found.days < best.days):
                best = found
        if cheapest is None:
            raise PlanError(self._why_it_does_not_fit(MOST_NODES))
        if best is None:
            total, found = cheapest
            raise PlanError(
                f"--budget: got {budget:,.0f} USD; the cheapest is {found.nodes:,} nodes for "
                f"{total:,.0f} USD in {found.days:,.1f} days; write more, or fewer --tokens"
            )
        return best

    def _why_it_does_not_fit(self, nodes: int) -> str:
        """Say what is too large, for the leanest layout that there is."""
        shape = self.question.shape
        holdings = [(self.search.least(nodes, tensor=t), t) for t in self.search.degrees()]
        holding, t = min(holdings, key=lambda pair: pair[0].needed)
        items = {**holding.items(), "layers in flight": 3 * holding.layer}
        largest, size = max(items.items(), key=lambda item: item[1])
        spread = f" and {t} tensor-parallel GPUs" if t > 1 else ""
        return (
            f"--nodes: got {nodes}; {shape.parameters / 1e9:,.1f} B parameters need "
            f"{holding.needed / 2**30:,.1f} GiB on each {self.gpu.name} even with one sequence, "
            f"recomputation{spread}, {holding.capacity / 2**30:,.1f} are there ({largest} "
            f"{size / 2**30:,.1f}); write more nodes, a shorter --sequence, or GPUs with more "
            "memory"
        )

    def curve(self, nodes: int) -> Iterator[Point]:
        """Yield tokens per second from one node to all."""
        counts = [1]
        while counts[-1] * 2 < nodes:
            counts.append(counts[-1] * 2)
        first: float | None = None
        for count in [*counts, *([nodes] if nodes > 1 else [])]:
            step = self.search.best(count)
            if step is None:
                yield Point(count, None, None)
                continue
            rate = step.tokens_per_second(self.question.shape)
            first = first or rate / count
            yield Point(count, rate, rate / count / first)

    def notes(self, outcome: Outcome) -> Iterator[str]:
        """Yield what must be known to read the plan."""
        question, shape = self.question, self.question.shape
        held = outcome.step.layout.sequences * shape.sequence
        if held > question.batch_tokens * 1.01:
            yield (
                f"a step holds {held:,} tokens, not {question.batch_tokens:,}: every GPU works on "
                "at least one sequence, and all on as many"
            )
        if not self.gpu.measured:
            yield (
                f"no published run on {self.gpu.name} was at hand: constants of "
                f"{self.gpu.calibrated_by.replace('_', ' ')} with the data sheet's rates"
            )
        pure = self.search.smallest_group(outcome.nodes, tensor=1)
        if pure is None:
            least = self.search.least(outcome.nodes, tensor=1)
            yield (
                f"sharded data parallelism alone cannot train this model here: three layers in "
                f"flight are {3 * least.layer / 2**30:,.0f} GiB and every GPU holds whole layers, "
                f"{least.needed / 2**30:,.0f} GiB in all of {least.capacity / 2**30:,.1f}; it "
                "takes tensor parallelism, or offloading, which is not planned for"
            )
            bigger = next((g for g in _with_more_memory(self.gpu)), None)
            if bigger is not None:
                place = replace(self.search.place, gpu=bigger)
                fits = Search(place).smallest_group(outcome.nodes, tensor=1)
                yield (
                    f"on {bigger.name} it can, with partition groups of {fits:,} GPUs or more"
                    if fits
                    else f"nor can it on {bigger.name}"
                )
        if shape.parameters > 2e11:  # noqa: PLR2004 - where Megatron began to use many stages
            yield (
                "pipeline parallelism is not planned for; runs of this size used it (Megatron: 64 "
                "stages for 1 T) and were several times faster on such networks"
            )

    def alternatives(self, days: float) -> Iterator[Alternative]:
        """Yield what other instance types would give in as many days or fewer."""
        for name in NEWER_AND_SMALLER:
            gpu = gpu_of(instances.find(name))
            if name == self.question.instance_type or gpu is None:
                continue
            yield self._alternative(name, gpu, days)

    def _alternative(self, name: str, gpu: Gpu, days: float) -> Alternative:
        other = replace(
            self.question, instance_type=name, nodes=None, days=days, budget=None,
            network=None, run=None, purchase=_option(name, self.question.purchase),
        )  # fmt: skip
        region = self.question.region
        if instances.find(name).zones(region) == ():
            return Alternative(name, gpu, None, None, f"not sold in {region}")
        planner = Planner(other)
        low, high = 1, MOST_NODES
        best = planner.outcome(high)
        if best is None:
            return Alternative(name, gpu, None, None, "the model does not fit")
        if best.days > days:
            why = f"{MOST_NODES:,} nodes need {best.days:,.0f} days"
            return Alternative(name, gpu, None, None, why)
        while low < high:
            middle = (low + high) // 2
            found = planner.outcome(middle)
            if found is not None and found.days <= days:
                best, high = found, middle
            else:
                low = middle + 1
        return Alternative(name, gpu, best, planner.bill(best, other.purchase))


def _option(name: str, wanted: str) -> str:
    """Return how a type is bought, the wanted way if it is sold so."""
    instance = instances.find(name)
    sold = {"on-demand": instance.on_demand, "capacity-block": instance.capacity_blocks}
    if sold.get(wanted, instance.sagemaker_training_type is not None):
        return wanted
    return next((option for option, is_sold in sold.items() if is_sold), "on-demand")


def _with_more_memory(gpu: Gpu) -> Iterator[Gpu]:
    for other in sorted(BY_ROW.values(), key=lambda each: each.memory):
        if other.memory > gpu.memory * 1.2:
            yield other


def plan(question: Question) -> Plan:
    """Return the plan that answers a question.

    Raises:
        PlanError: where there is none, in one line that says why.
    """
    planner = Planner(question)
    outcome = planner.solved()
    steps = list(planner.search.steps(outcome.nodes))
    chosen = choose(question.shape, steps)
    assert chosen is not None  # noqa: S101 - the outcome is made of it
    options = sorted(OPTIONS, key=lambda option: option != question.purchase)
    bills = [planner.bill(outcome, option) for option in options]
    return Plan(
        question=question,
        gpu=planner.gpu,
        network=planner.network,
        stack=planner.stack,
        outcome=outcome,
        bills=tuple(each for each in bills if each is not None),
        runners_up=runners_up(question.shape, chosen, steps),
        curve=tuple(planner.curve(outcome.nodes)),
        smallest_groups={
            t: planner.search.smallest_group(outcome.nodes, tensor=t)
            for t in planner.search.degrees()
        },
        notes=tuple(planner.notes(outcome)),
    )
