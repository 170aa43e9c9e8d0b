"""A plan: from a question to nodes, layout, time, storage and money, also on other types."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from ultracluster.catalogue import instances
from ultracluster.planner.devices import Gpu, Network, comparable_types, gpu_of, network_of
from ultracluster.planner.goodput import SECONDS_PER_DAY, goodput
from ultracluster.planner.layout import Only, Setup
from ultracluster.planner.measurement import FASTEST, SLOWEST
from ultracluster.planner.outcome import Alternative, Outcome, Plan, Point, notes, runners_up
from ultracluster.planner.price import ON_DEMAND, OPTIONS, Bill, bill, ways_to_buy
from ultracluster.planner.question import (
    CLOSE,
    COMPARED,
    DEFAULT_DAYS,
    LONGEST_DAYS,
    MOST_NODES,
    SEARCHED,
    SEARCHED_NODES,
    PlanError,
    Question,
)
from ultracluster.planner.refusal import why_it_does_not_fit
from ultracluster.planner.search import Search
from ultracluster.planner.stack import SoftwareStack, faster, known_on, network_for
from ultracluster.planner.storage import BYTES_PER_TOKEN, file_system

HARDLY: Final = 0.5
"""Part of the time that trains, or of a step that waits, which says why a plan is not feasible."""
LEAST_FRACTION: Final = 1e-9
MANY_YEARS: Final = 1_000
MOST_EFFICIENT: Final = 1.05
"""Share of the line rate above which a log is of other network cards."""


class Planner:
    """Answers one question; keeps what several of its numbers of nodes have in common.

    Raises:
        PlanError: where the question has problems.
    """

    def __init__(self, question: Question) -> None:
        for problem in question.problems():
            raise PlanError(str(problem))
        gpu = gpu_of(question.instance)
        assert gpu is not None  # noqa: S101 - the question's own check
        self.question = question
        network = network_for(network_of(question.instance, question.node_gbps), question.software)
        measured, log = network, question.network
        if log is not None:
            mine, why = question.instance_type, ""
            carried, cards = log.carried(network.node_bandwidth), network.node_bandwidth
            if not log.may_be_of(gpu):
                why = f"the log is of {log.gpu_name}, {mine} has {gpu.name}"
            elif log.applied(network).efficiency > MOST_EFFICIENT:
                why = f"the log has {carried / 1e9:,.0f} GB/s a node, and {mine} has cards for "
                why += f"{cards / 1e9:,.0f}"
            if why:
                raise PlanError(f"--calibrate: {why}; give a log of that instance type")
            gpu, measured = log.applied_to_gpu(gpu), log.applied(network)
        self.setup = Setup(question.shape, gpu, measured, self._stack(gpu, measured))
        self.search = Search(self.setup, question.batch, question.only)

    def _stack(self, gpu: Gpu, network: Network) -> SoftwareStack:
        run, stack = self.question.run, self.question.stack_on(gpu)
        if run is None:
            return stack
        ran_on = run.gpu()
        if ran_on is None or ran_on.name != gpu.name:
            raise PlanError(
                f"--calibrate: the run was on {run.gpu_name or 'an unknown GPU'}, "
                f"{self.question.instance_type} has {gpu.name}; measure on that GPU, or leave it "
                "out"
            )
        alone = replace(stack, step_overhead=0.0) if run.layout.gpus == 1 else stack
        factor = run.factor(gpu, network, alone)
        if not FASTEST * 1.01 < factor < SLOWEST / 1.01 or run.utilisation(gpu) > 1:
            raise PlanError(
                f"--calibrate: the run has {run.tokens_per_second:,.0f} tokens/s, which no program "
                f"computes on {run.layout.gpus} {gpu.name}; give the metrics.jsonl of the run that "
                "is planned"
            )
        return faster(stack, factor)

    def outcome(self, nodes: int) -> Outcome | None:
        """Return what so many nodes achieve; None where the model does not fit on them."""
        question, step = self.question, self.search.best(nodes)
        if step is None:
            return None
        rate = step.tokens_per_second
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
            write_bandwidth=min(lustre.write_bandwidth, nodes * self.setup.network.node_bandwidth),
            restart_seconds=question.restart_seconds,
        )
        days = question.tokens / (rate * max(left.fraction, LEAST_FRACTION)) / SECONDS_PER_DAY
        return Outcome(nodes, step, left, lustre, days)

    def bill(self, outcome: Outcome, option: str) -> Bill | None:
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
        """Return the outcome that answers the question."""
        question = self.question
        if question.nodes is not None:
            found = self.outcome(question.nodes)
            if found is None:
                raise PlanError(why_it_does_not_fit(self.search, question, question.nodes))
            return self._feasible(found)
        if question.budget is not None:
            return self._within_budget(question.budget)
        return self.fewest(question.days or DEFAULT_DAYS)

    def _feasible(self, outcome: Outcome) -> Outcome:
        """Return an outcome that ends while somebody waits for it, or say why none does."""
        if outcome.days <= LONGEST_DAYS:
            return outcome
        step, left = outcome.step, outcome.goodput
        why = "write more --nodes, fewer --tokens, or a faster --instance"
        if left.fraction < HARDLY:
            why = f"a failure every {left.mean_time_between_failures / 60:,.0f} min leaves "
            why += f"{left.fraction:.2%} of the time; write fewer --nodes or shorter "
            why += "--restart-minutes"
        elif step.exposed > HARDLY * step.seconds:
            why = f"{step.exposed / step.seconds:.0%} of a step waits for the network; write a "
            why += "larger --batch-tokens, or an --instance with faster cards"
        years = outcome.days / 365
        long = f"{years:,.0f} years" if years < MANY_YEARS else f"over {MANY_YEARS:,} years"
        raise PlanError(
            f"not feasible: {_nodes(outcome)} train {step.tokens_per_second:,.0f} tokens/s, and "
            f"{self.question.tokens:,.0f} tokens take {long}; {why}"
        )

    def in_time(self, days: float, tried: Sequence[int]) -> Outcome | None:
        """Return the fewest of some numbers of nodes that end in time: more may take longer."""
        for before, nodes in pairwise((0, *tried)):
            if (found := self._within(nodes, days)) is not None:
                step = max(1, min(CLOSE, (nodes - before) // 4))
                fewer = (self._within(count, days) for count in range(before + step, nodes, step))
                return next(filter(None, fewer), found)
        return None

    def _within(self, nodes: int, days: float) -> Outcome | None:
        found = self.outcome(nodes) if self._least_days(nodes) <= days else None
        return found if found is not None and found.days <= days else None

    def fewest(self, days: float) -> Outcome:
        """Return the fewest nodes that need no more than so many days."""
        if (best := self.in_time(days, SEARCHED)) is not None:
            return best
        for nodes in reversed(SEARCHED):
            if best is None or self._least_days(nodes) <= best.days:
                found = self.outcome(nodes)
                best = min(filter(None, (found, best)), key=lambda each: each.days, default=None)
        if best is None:
            raise PlanError(why_it_does_not_fit(self.search, self.question, SEARCHED_NODES))
        self._feasible(best)
        raise PlanError(
            f"--days: got {days:g}; the fastest of up to {SEARCHED_NODES:,} nodes is "
            f"{_nodes(best)} in {best.days:,.1f} days; write more days or a faster --instance"
        )

    def _least_days(self, nodes: int) -> float:
        """Return days that no layout on so many nodes can end before."""
        rate = self.search.most(nodes)
        return self.question.tokens / rate / SECONDS_PER_DAY if rate else math.inf

    def _within_budget(self, budget: float) -> Outcome:
        best: Outcome | None = None
        cheapest: tuple[float, Outcome] | None = None
        # The largest numbers first: most of the others cannot be faster.
        for nodes in reversed(SEARCHED):
            if best is not None and self._least_days(nodes) > best.days:
                continue
            found = self.outcome(nodes)
            paid = self.bill(found, self.question.purchase) if found else None
            if found is None or paid is None:
                continue
            if not paid.nodes_known:
                asked = self.question
                what = f"{asked.instance_type} by {asked.purchase} in {asked.region}"
                raise PlanError(f"--budget: no price of {what} is known; write --nodes or --days")
            if cheapest is None or paid.total <= cheapest[0]:
                cheapest = (paid.total, found)
            if paid.total <= budget and (best is None or found.days <= best.days):
                best = found
        if cheapest is None:
            raise PlanError(why_it_does_not_fit(self.search, self.question, SEARCHED_NODES))
        if best is None:
            total, found = cheapest
            self._feasible(found)
            raise PlanError(
                f"--budget: got {budget:,.0f} USD; the cheapest is {_nodes(found)} for "
                f"{total:,.0f} USD in {found.days:,.1f} days; write more, or fewer --tokens"
            )
        return best

    def curve(self, nodes: int) -> Iterator[Point]:
        first: float | None = None
        for count in [*(2**n for n in range((nodes - 1).bit_length())), nodes]:
            step = self.search.best(count)
            rate = step.tokens_per_second if step else None
            first = first or (rate and rate / count)
            yield Point(count, rate, rate / count / first if rate and first else None)


def _nodes(outcome: Outcome) -> str:
    return f"{outcome.nodes:,} node{'s' if outcome.nodes > 1 else ''}"


def plan(question: Question) -> Plan:
    """Return the plan that answers a question.

    Raises:
        PlanError: where there is none, in one line that says why.
    """
    planner = Planner(question)
    outcome = planner.solved()
    options = sorted(OPTIONS, key=lambda option: option != question.purchase)
    bills = [planner.bill(outcome, option) for option in options]
    return Plan(
        question=question,
        setup=planner.setup,
        outcome=outcome,
        bills=tuple(each for each in bills if each is not None),
        runners_up=runners_up(planner.search, outcome.step),
        curve=tuple(planner.curve(outcome.nodes)),
        smallest_groups={
            t: planner.search.smallest_group(outcome.nodes, tensor=t)
            for t in planner.search.choices.degrees()
        },
        notes=tuple(notes(question, planner.search, outcome)),
    )


LOOKED_AT: Final = (1_024, SEARCHED_NODES, MOST_NODES)
"""Nodes of another type that are looked at for a plan of no more."""


def alternatives(question: Question, days: float) -> Iterator[Alternative]:
    """Yield what other instance types would give in as many days or fewer."""
    for name in comparable_types():
        gpu = gpu_of(instances.find(name))
        if name == question.instance_type or gpu is None:
            continue
        yield _alternative(question, name, gpu, days)


def _alternative(question: Question, name: str, gpu: Gpu, days: float) -> Alternative:
    """Return the fewest nodes of a type that need no longer."""
    if instances.find(name).zones(question.region) == ():
        return Alternative(name, gpu, None, None, f"not offered in {question.region}")
    sold = ways_to_buy(instances.find(name))
    most = next(each for each in LOOKED_AT if (question.nodes or 0) <= each)
    other = replace(
        question,
        instance_type=name,
        nodes=most,
        days=None,
        budget=None,
        network=None,
        run=None,
        only=Only(),
        purchase=question.purchase if question.purchase in sold else next(iter(sold), ON_DEMAND),
        software=question.software if known_on(gpu, question.software) else "",
        fp8=question.fp8 and known_on(gpu, "compiled"),
    )
    planner = Planner(other)
    if (largest := planner.outcome(most)) is None:
        return Alternative(name, gpu, None, None, "the model does not fit")
    if largest.days > days:
        why = f"{most:,} nodes need {largest.days:,.0f} days"
        why = why if largest.days <= LONGEST_DAYS else "not feasible"
        return Alternative(name, gpu, None, None, why)
    best = planner.in_time(days, [count for count in COMPARED if count <= most]) or largest
    return Alternative(name, gpu, best, planner.bill(best, other.purchase))
