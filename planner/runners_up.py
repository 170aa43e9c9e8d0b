"""Layouts that were not chosen, and what costs them their place."""

from collections.abc import Sequence
from dataclasses import dataclass

from planner.layout import Layout
from planner.search import INDIFFERENCE
from planner.shape import ModelShape
from planner.step import Step


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """A layout that was not chosen."""

    step: Step
    why: str


def runners_up(shape: ModelShape, chosen: Step, steps: Sequence[Step]) -> tuple[RunnerUp, ...]:
    """Return what else could be done, each in its best form, and why it is not.

    The partition groups next to the chosen one, each other tensor degree, the other way to treat
    activations, and the same layout with another batch.
    """
    mine = chosen.layout
    ranked = sorted(steps, key=lambda step: -step.tokens_per_second(shape))
    alike = [s for s in ranked if s.layout.tensor == mine.tensor]
    groups = sorted({s.layout.group for s in alike})
    below = [group for group in groups if group < mine.group][-1:]
    above = [group for group in groups if group > mine.group][:2]
    found: list[Step] = []
    for group in (*below, *above):
        found += [s for s in alike if s.layout.group == group][:1]
    for degree in sorted({s.layout.tensor for s in steps} - {mine.tensor}):
        found += [s for s in ranked if s.layout.tensor == degree][:1]
    found += [s for s in alike if s.layout.checkpointing != mine.checkpointing][:1]
    found += [s for s in alike if _same_but_for_batch(s.layout, mine) and s is not chosen][:1]
    unlike = {id(step): step for step in found if step is not chosen}.values()
    best = sorted(unlike, key=lambda step: -step.tokens_per_second(shape))
    return tuple(RunnerUp(step, _why(shape, chosen, step)) for step in best)


def _same_but_for_batch(one: Layout, other: Layout) -> bool:
    return (one.partition, one.tensor, one.checkpointing) == (
        other.partition,
        other.tensor,
        other.checkpointing,
    )


def _why(shape: ModelShape, chosen: Step, other: Step) -> str:
    """Say in words what costs another layout its place."""
    gain = other.tokens_per_second(shape) / chosen.tokens_per_second(shape) - 1
    near = f"{abs(gain):.1%} {'faster' if gain >= 0 else 'slower'}, within the model's error; "
    if abs(gain) <= INDIFFERENCE and other.layout.tensor > chosen.layout.tensor:
        return f"{near}needs a program with tensor parallelism"
    if abs(gain) <= INDIFFERENCE and other.layout.group > chosen.layout.group:
        return f"{near}gathers over {other.layout.group} GPUs, not {chosen.layout.group}"
    if abs(gain) <= INDIFFERENCE and _same_but_for_batch(other.layout, chosen.layout):
        return f"{near}the same but for the batch"
    tokens = chosen.layout.sequences / other.layout.sequences
    costs = {
        "recomputation" if other.layout.checkpointing else "computation": (
            other.computed * tokens - chosen.computed
        ),
        "tensor-parallel all-reduces": (
            other.sending.tensor * other.layout.accumulation * tokens
            - chosen.sending.tensor * chosen.layout.accumulation
        ),
        "scarce memory": other.shortage * tokens - chosen.shortage,
        "gathers and reduce-scatters": (
            (other.exposed - _tensor(other)) * tokens - (chosen.exposed - _tensor(chosen))
        ),
        "the optimizer": other.optimizer * tokens - chosen.optimizer,
    }
    name, seconds = max(costs.items(), key=lambda item: item[1])
    return f"{-gain:.1%} slower: {name} cost {seconds:.2f} s more a step"


def _tensor(step: Step) -> float:
    return step.sending.tensor * step.layout.accumulation
