"""Results of the search: the chosen layout, rejected ones, and notes for the reader."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ultracluster.planner.devices import Gpu
from ultracluster.planner.goodput import Goodput
from ultracluster.planner.layout import DEGREES, INDIFFERENCE, KEPT, Candidate, Setup
from ultracluster.planner.price import Bill
from ultracluster.planner.question import Question
from ultracluster.planner.refusal import leanest
from ultracluster.planner.search import Search
from ultracluster.planner.step import Step
from ultracluster.planner.storage import Lustre

NEAR: Final = 8
"""Nodes fewer, or that part of them, among which a number that divides better is looked for."""
FARTHEST: Final = 64
"""Nodes fewer that are looked at, however many there are."""
MUCH: Final = 0.4
"""Share of a step that waits for the network above which other plans are named."""
FULL: Final = 0.97
"""Share of a GPU's memory above which a layout is said to be on the edge."""
MUCH_IDLE: Final = 0.15
"""The same of stages that wait for each other."""


@dataclass(frozen=True)
class Outcome:
    """What so many nodes achieve."""

    nodes: int
    step: Step
    goodput: Goodput
    lustre: Lustre
    days: float
    """Until the last token."""

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


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """A layout that was not chosen."""

    step: Step
    why: str


@dataclass(frozen=True)
class Plan:
    """A plan."""

    question: Question
    setup: Setup
    outcome: Outcome
    bills: tuple[Bill, ...]
    """Of every way to buy the nodes, the chosen one first."""
    runners_up: tuple[RunnerUp, ...]
    curve: tuple[Point, ...]
    smallest_groups: dict[int, int | None]
    """Fewest GPUs that hold one copy of the model, by tensor-parallel degree; None: none do."""
    notes: tuple[str, ...]

    @property
    def bill(self) -> Bill:
        return self.bills[0]


def runners_up(search: Search, chosen: Step) -> tuple[RunnerUp, ...]:
    """Return what else could be done, each in its best form, and why it is not.

    The partition groups next to the chosen one, the fastest of all others, each other tensor
    degree, the other way to treat activations, and the same layout with another batch.
    """
    mine = chosen.layout
    ranked = sorted(search.candidates(mine.gpus), key=lambda each: (-each.rate, each.kind))
    alike = [each for each in ranked if DEGREES(each.kind) == DEGREES(mine)]
    groups = sorted({each.group for each in alike})
    below = [group for group in groups if group < mine.group][-1:]
    above = [group for group in groups if group > mine.group][:2]
    staged = mine.pipeline > 1
    same_kind = [each for each in ranked if (each.kind.pipeline > 1) == staged]
    found: list[Candidate] = []
    for near in (*below, *above):
        found += [each for each in alike if each.group == near][:1]
    found += [each for each in alike if each.group != mine.group][:1]
    for degree in sorted({each.kind.tensor for each in ranked} - {mine.tensor}):
        found += [each for each in same_kind if each.kind.tensor == degree][:1]
    found += [each for each in ranked if (each.kind.pipeline > 1) != staged][:1]
    found += [each for each in alike if each.kind.activations != mine.activations][:1]
    others = {step.layout: step for step in (search.step(mine.gpus, each) for each in found)}
    for each in alike:
        if (each.partition, each.kind.activations) == (mine.partition, mine.activations):
            step = search.step(mine.gpus, each)
            if step.layout not in {mine, *others}:
                others[step.layout] = step
                break
    best = sorted(others.values(), key=lambda step: -step.tokens_per_second)
    return tuple(RunnerUp(step, _why(chosen, step)) for step in best if step.layout != mine)


def _why(chosen: Step, other: Step) -> str:
    """Say in words what costs another layout its place."""
    gain = other.tokens_per_second / chosen.tokens_per_second - 1
    near = f"{abs(gain):.1%} {'faster' if gain >= 0 else 'slower'}, within the model's error; "
    mine, theirs = chosen.layout, other.layout
    if gain >= 0 and theirs.pipeline > mine.pipeline:
        return (
            f"{gain:.0%} faster, less than a pipeline of {theirs.pipeline} stages is worth; "
            "needs a program that has one (--pipeline)"
        )
    if abs(gain) <= INDIFFERENCE and theirs.tensor > mine.tensor:
        return f"{near}needs a program with tensor parallelism"
    if abs(gain) <= INDIFFERENCE and theirs.group > mine.group:
        return f"{near}gathers over {theirs.group} GPUs, not {mine.group}"
    same = (theirs.partition, DEGREES(theirs), theirs.activations)
    if abs(gain) <= INDIFFERENCE and same == (mine.partition, DEGREES(mine), mine.activations):
        return f"{near}the same but for the batch"
    tokens = chosen.layout.sequences / other.layout.sequences
    waiting = (other.exposed - _tensor(other)) * tokens - (chosen.exposed - _tensor(chosen))
    hops = other.sending.second_hop * tokens - chosen.sending.second_hop
    sent = _sent(other) * tokens - _sent(chosen)
    costs = {
        "computation" if other.layout.activations == KEPT else "recomputation": (
            other.computed * tokens - chosen.computed
        ),
        "tensor-parallel all-reduces": _tensor(other) * tokens - _tensor(chosen),
        "stages that wait": other.bubble * tokens - chosen.bubble,
        "scarce memory": other.shortage * tokens - chosen.shortage,
        "the second hop between groups" if hops > sent else "gathers and reduce-scatters": waiting,
        "the optimizer": other.optimizer * tokens - chosen.optimizer,
    }
    name, seconds = max(costs.items(), key=lambda item: item[1])
    return f"{-gain:.1%} slower: {name} cost {seconds:.2f} s more a step"


def _tensor(step: Step) -> float:
    return step.sending.passing.tensor * step.layout.accumulation


def _sent(step: Step) -> float:
    return step.sending.sharded.seconds * step.times_sharded


def notes(question: Question, search: Search, outcome: Outcome) -> Iterator[str]:
    shape, gpu = question.shape, search.setup.gpu
    held = outcome.step.layout.sequences * shape.sequence
    if held > question.batch_tokens * 1.01:
        yield (
            f"a step holds {held:,} tokens, not {question.batch_tokens:,}: every GPU works on "
            f"at least one sequence, and all on as many{_kept(question, search, outcome)}"
        )
    yield from _fewer(search, outcome)
    if not gpu.measured:
        yield (
            f"no published run on {gpu.name} was at hand: constants of "
            f"{gpu.calibrated_by.replace('_', ' ')} with the data sheet's rates"
        )
    pure = search.smallest_group(outcome.nodes, tensor=1)
    if pure is None:
        least = leanest(search, outcome.nodes, whole=True).holding
        yield (
            f"sharded data parallelism alone cannot train this model here: three layers in "
            f"flight are {3 * least.layer / 2**30:,.0f} GiB and every GPU holds whole layers, "
            f"{least.needed / 2**30:,.0f} GiB in all of {least.capacity / 2**30:,.1f}; it "
            "takes tensor parallelism or a pipeline, or offloading, which is not planned for"
        )
    layout, step = outcome.step.layout, outcome.step
    holding = step.holding
    if holding.needed > FULL * holding.capacity:
        yield (
            f"a GPU is full: {holding.needed / 2**30:,.1f} of {holding.capacity / 2**30:,.1f} GiB, "
            "and the memory model is no closer than that; more stages, more recomputation or a "
            "smaller --micro-batch leave room"
        )
    if step.bubble > MUCH_IDLE * step.seconds:
        yield (
            f"{step.bubble / step.seconds:.0%} of a step its stages wait for each other: a larger "
            "--batch-tokens or more chunks a stage (--interleave) shorten that"
        )
    if step.exposed > MUCH * step.seconds:
        yield (
            f"{step.exposed / step.seconds:.0%} of a step waits for the network: a larger "
            "--batch-tokens, fewer nodes or faster cards shorten that"
        )
    if layout.pipeline > 1 or layout.context > 1 or layout.expert > 1:
        yield (
            "its layout takes a program with these degrees (--software says which is planned for): "
            "the project's own has partition groups and tensor parallelism alone"
        )


def _fewer(search: Search, outcome: Outcome) -> Iterator[str]:
    """Say where some nodes less would train faster, because their number divides better."""
    nodes = outcome.nodes
    fewer = range(max(1, nodes - max(NEAR, min(FARTHEST, nodes // NEAR))), nodes)
    rates = {n: step.tokens_per_second for n in fewer if (step := search.best(n)) is not None}
    best = max(rates, key=lambda count: rates[count], default=0)
    gain = rates.get(best, 0.0) / outcome.step.tokens_per_second - 1
    if gain > INDIFFERENCE:
        yield (
            f"{nodes:,} nodes divide badly into groups and batches: {best:,} train {gain:.0%} "
            f"faster, write --nodes {best}; the others would be spares"
        )


def _kept(question: Question, search: Search, outcome: Outcome) -> str:
    """Say which tensor-parallel degree would keep the batch that was asked for, if one does."""
    gpus, sequences = outcome.step.layout.gpus, outcome.step.layout.sequences
    for degree in search.choices.degrees():
        if degree > outcome.step.layout.tensor and gpus // degree <= question.batch < sequences:
            return f"; --tensor {degree} keeps the batch, at its own cost"
    return ""
