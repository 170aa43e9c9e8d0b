"""How far a plan may be off, and which measurement would narrow that most."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from ultracluster.planner.devices import EFA_EFFICIENCY_RANGE, NCCL_HOP
from ultracluster.planner.goodput import RATES, SECONDS_PER_DAY, goodput
from ultracluster.planner.layout import Setup
from ultracluster.planner.outcome import Plan
from ultracluster.planner.stack import SoftwareStack, faster, known_on, stack_for
from ultracluster.planner.step import step

MODEL_ERROR: Final = 0.25
"""Of another program of the kind that is planned for: all published runs on several nodes whose
shape is known are within it (docs/planner-accuracy.md)."""
LIKELY: Final = 1.25
"""Factor that a step is likely within: every published run whose layout is known is, and two that
were held back are on its edge (docs/planner-accuracy.md). The extremes go farther."""
UNMEASURED_ERROR: Final = 0.3
"""The same for GPUs of which no run was at hand: an assumption."""
MEASURED_ERROR: Final = 0.03
"""What is left once a run or a network was measured: from run to run, an assumption."""
LATE_RANGE: Final = (0.05, 0.4)
"""Share of the time on the network that computing waits for: of the rows it was fitted to, most."""
RESTART_RANGE: Final = (5 * 60, 60 * 60)
SLOWEST_HOP: Final = 100e-6
COUNTED_ERROR: Final = 1.5
"""Factor that a given failure rate or restart time may be off: some twenty failures were counted
(two standard deviations), or a few restarts were timed; an assumption."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that is not known."""

    name: str
    good: float
    """Days if it is as good as it may be, all else as planned."""
    bad: float
    """Days if it is as bad as it may be."""
    measure: str
    """What would settle it."""

    @property
    def width(self) -> float:
        return self.bad - self.good


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The range of a plan."""

    step_seconds: tuple[float, float]
    """Likely range of a step: the doubts, which have nothing to do with each other, added as
    squares."""
    days: tuple[float, float]
    """The same of the whole training."""
    extremes: tuple[float, float]
    """Days with everything good at once, and with everything bad at once."""
    doubts: tuple[Doubt, ...]
    """The widest first."""


def uncertainty(plan: Plan) -> Uncertainty:
    now, doubts, steps = plan.outcome.step.seconds, list[Doubt](), list[tuple[float, float]]()
    best = worst = planned = plan.setup
    for name, good, bad, measure in _in_doubt(plan, planned):
        fast, slow = _seconds(plan, good), _seconds(plan, bad)
        steps.append((now - fast, slow - now))
        doubts.append(Doubt(name, _days(plan, fast), _days(plan, slow), measure))
        best, worst = _merged(planned, best, good), _merged(planned, worst, bad)
    low, high = _failures(plan)
    short, long = _restarts(plan)
    count = "failures of a week on the nodes themselves, given by --failures"
    if isinstance(plan.question.failures, float):
        count = "more weeks of the same count"
    ends = _days(plan, now, rate=low), _days(plan, now, rate=high)
    doubts.append(Doubt("how often nodes fail", *ends, count))
    timed = "one restart, timed from the failure to the next step, given by --restart-minutes"
    if plan.question.restart_minutes is not None:
        timed = "more restarts, timed the same way"
    ends = _days(plan, now, restart=short), _days(plan, now, restart=long)
    doubts.append(Doubt("how long a restart takes", *ends, timed))
    days = plan.outcome.days
    quickest, slowest = _seconds(plan, best), _seconds(plan, worst)
    extremes = (
        _days(plan, quickest, rate=low, restart=short),
        _days(plan, slowest, rate=high, restart=long),
    )
    likely = max(quickest, now / LIKELY), min(slowest, now * LIKELY)
    return Uncertainty(
        step_seconds=_range(now, steps, likely),
        days=_range(days, [(days - doubt.good, doubt.bad - days) for doubt in doubts], extremes),
        extremes=extremes,
        doubts=tuple(sorted(doubts, key=lambda doubt: -doubt.width)),
    )


def _range(
    value: float, parts: Iterable[tuple[float, float]], extremes: tuple[float, float]
) -> tuple[float, float]:
    """Return a likely range: better or worse than everything at once it cannot become."""
    good, bad = zip(*parts, strict=True)
    low, high = value - _together(good), value + _together(bad)
    return min(value, max(low, extremes[0])), max(value, min(high, extremes[1]))


def _failures(plan: Plan) -> tuple[float, float]:
    """Return the fewest and the most failures per node and day that there may be."""
    if isinstance(plan.question.failures, float):
        return _counted(plan.question.failures)
    rates = [rate.per_node_day for rate in RATES.values()]
    return min(rates), max(rates)


def _restarts(plan: Plan) -> tuple[float, float]:
    """Return the seconds of the quickest and of the slowest restart that there may be."""
    own = plan.outcome.goodput.restart_seconds
    if plan.question.restart_minutes is not None:
        return _counted(own)
    return min(RESTART_RANGE[0], own), max(RESTART_RANGE[1], own)


def _counted(own: float) -> tuple[float, float]:
    return own / COUNTED_ERROR, own * COUNTED_ERROR


def _together(parts: Iterable[float]) -> float:
    return math.sqrt(sum(max(0.0, part) ** 2 for part in parts))


def _in_doubt(plan: Plan, planned: Setup) -> Iterator[tuple[str, Setup, Setup, str]]:
    """Yield each thing in doubt as the best and the worst it may be."""
    question, stack, network = plan.question, planned.stack, planned.network
    run, log = question.run, question.network
    yield (
        "how fast the program computes",
        *_software(plan, planned),
        "a second run, for the first says how it differs by chance"
        if run
        else "a run on one node: python -m training.train, then --calibrate metrics.jsonl",
    )
    if run is None or run.layout.gpus <= network.gpus_per_node:
        good, bad = (replace(planned, stack=replace(stack, late=each)) for each in LATE_RANGE)
        measure = "a run on two nodes or more, then --calibrate metrics.jsonl"
        yield "how much of the communication is hidden", good, bad, measure
    if log is not None and log.nodes > 1:
        low, high = (network.efficiency * (1 + sign * MEASURED_ERROR) for sign in (-1, 1))
        best, worst = replace(network, efficiency=high), replace(network, efficiency=low)
        measure = "a log of as many nodes as are planned"
    else:
        low, high = EFA_EFFICIENCY_RANGE
        high, low = max(high, network.efficiency), min(low, network.efficiency)
        best = replace(network, efficiency=high, hop_latency=NCCL_HOP)
        worst = replace(network, efficiency=low, hop_latency=SLOWEST_HOP)
        measure = "all_reduce_perf of nccl-tests on the nodes, then --calibrate nccl-tests.log"
    good, bad = replace(planned, network=best), replace(planned, network=worst)
    yield "how fast the network is", good, bad, measure
    if plan.outcome.step.shortage > 0:
        yield (
            "what scarce memory costs",
            replace(planned, stack=replace(stack, shortage=0.0)),
            replace(planned, stack=replace(stack, shortage=2 * stack.shortage)),
            "a run with this micro-batch and partition size; or plan with a smaller batch",
        )


def _software(plan: Plan, planned: Setup) -> tuple[Setup, Setup]:
    measured = plan.question.run is not None
    error = MODEL_ERROR if plan.setup.gpu.measured else UNMEASURED_ERROR
    error = MEASURED_ERROR if measured else error
    fast, slow = 1 / (1 + error), 1 + error
    fast_stack, slow_stack = faster(planned.stack, fast), faster(planned.stack, slow)
    if not (plan.question.software or measured) and known_on(plan.setup.gpu, "compiled"):
        # Whose program it will be is not known: one compiled by torch is faster.
        compiled = stack_for(plan.setup.gpu, "compiled", fp8=plan.question.fp8)
        fast_stack = faster(compiled, fast)
    return replace(planned, stack=fast_stack), replace(planned, stack=slow_stack)


def _merged(planned: Setup, so_far: Setup, change: Setup) -> Setup:
    """Return a setup with one more change; no two change the same value."""
    changed = {
        name: getattr(change.stack, name)
        for name in SoftwareStack.__dataclass_fields__
        if getattr(change.stack, name) != getattr(planned.stack, name)
    }
    network = change.network if change.network != planned.network else so_far.network
    return replace(so_far, network=network, stack=replace(so_far.stack, **changed))


def _seconds(plan: Plan, setup: Setup) -> float:
    """Return the seconds of a step in another setup; none holds more memory than another."""
    return step(setup, plan.outcome.step.layout).seconds


def _days(
    plan: Plan, seconds: float, *, rate: float | None = None, restart: float | None = None
) -> float:
    question, outcome = plan.question, plan.outcome
    left = goodput(
        parameters=question.shape.parameters,
        nodes=outcome.nodes,
        rate=rate or question.rate.per_node_day,
        write_bandwidth=outcome.goodput.checkpoint_bytes / outcome.goodput.write_seconds,
        restart_seconds=outcome.goodput.restart_seconds if restart is None else restart,
    )
    tokens = outcome.step.layout.sequences * question.shape.sequence / seconds
    return question.tokens / (tokens * max(left.fraction, 1e-6)) / SECONDS_PER_DAY
