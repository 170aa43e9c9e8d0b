"""Layouts that were not chosen, and what costs them their place."""

from dataclasses import dataclass

from ultracluster.planner.candidate import INDIFFERENCE, Candidate
from ultracluster.planner.layout import Layout
from ultracluster.planner.search import Search
from ultracluster.planner.step import Step


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """A layout that was not chosen."""

    step: Step
    why: str


def runners_up(search: Search, chosen: Step) -> tuple[RunnerUp, ...]:
    """Return what else could be done, each in its best form, and why it is not.

    The partition groups next to the chosen one, the fastest of all others, each other tensor
    degree, the other way to treat activations, and the same layout with another batch.
    """
    mine = chosen.layout
    ranked = sorted(search.candidates(mine.gpus), key=lambda each: -each.rate)
    alike = [each for each in ranked if each.kind.tensor == mine.tensor]
    groups = sorted({each.group for each in alike})
    below = [group for group in groups if group < mine.group][-1:]
    above = [group for group in groups if group > mine.group][:2]
    found: list[Candidate] = []
    for group in (*below, *above):
        found += [each for each in alike if each.group == group][:1]
    found += [each for each in alike if each.group != mine.group][:1]
    for degree in sorted({each.kind.tensor for each in ranked} - {mine.tensor}):
        found += [each for each in ranked if each.kind.tensor == degree][:1]
    found += [each for each in alike if each.kind.checkpointing != mine.checkpointing][:1]
    steps = {search.step(mine.gpus, each).layout: each for each in found}
    same = (search.step(mine.gpus, each) for each in alike if _mine_but_for_batch(each, mine))
    others = [search.step(mine.gpus, each) for each in steps.values()]
    others += [step for step in same if step.layout not in {mine, *steps}][:1]
    best = sorted(others, key=lambda step: -step.tokens_per_second)
    return tuple(RunnerUp(step, _why(chosen, step)) for step in best if step.layout != mine)


def _mine_but_for_batch(each: Candidate, mine: Layout) -> bool:
    return (each.partition, each.kind.checkpointing) == (mine.partition, mine.checkpointing)


def _same_but_for_batch(one: Layout, other: Layout) -> bool:
    return (one.partition, one.tensor, one.checkpointing) == (
        other.partition,
        other.tensor,
        other.checkpointing,
    )


def _why(chosen: Step, other: Step) -> str:
    """Say in words what costs another layout its place."""
    gain = other.tokens_per_second / chosen.tokens_per_second - 1
    near = f"{abs(gain):.1%} {'faster' if gain >= 0 else 'slower'}, within the model's error; "
    if abs(gain) <= INDIFFERENCE and other.layout.tensor > chosen.layout.tensor:
        return f"{near}needs a program with tensor parallelism"
    if abs(gain) <= INDIFFERENCE and other.layout.group > chosen.layout.group:
        return f"{near}gathers over {other.layout.group} GPUs, not {chosen.layout.group}"
    if abs(gain) <= INDIFFERENCE and _same_but_for_batch(other.layout, chosen.layout):
        return f"{near}the same but for the batch"
    tokens = chosen.layout.sequences / other.layout.sequences
    waiting = (other.exposed - _tensor(other)) * tokens - (chosen.exposed - _tensor(chosen))
    hops = other.sending.second_hop * tokens - chosen.sending.second_hop
    sent = _sent(other) * tokens - _sent(chosen)
    costs = {
        "recomputation" if other.layout.checkpointing else "computation": (
            other.computed * tokens - chosen.computed
        ),
        "tensor-parallel all-reduces": (
            other.sending.tensor * other.layout.accumulation * tokens
            - chosen.sending.tensor * chosen.layout.accumulation
        ),
        "scarce memory": other.shortage * tokens - chosen.shortage,
        "the second hop between groups" if hops > sent else "gathers and reduce-scatters": waiting,
        "the optimizer": other.optimizer * tokens - chosen.optimizer,
    }
    name, seconds = max(costs.items(), key=lambda item: item[1])
    return f"{-gain:.1%} slower: {name} cost {seconds:.2f} s more a step"


def _tensor(step: Step) -> float:
    return step.sending.tensor * step.layout.accumulation


def _sent(step: Step) -> float:
    return (step.sending.gather + step.sending.reduce_scatter) * step.layout.accumulation
