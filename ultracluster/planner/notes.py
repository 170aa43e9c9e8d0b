"""What must be known to read a plan."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ultracluster.planner.candidate import INDIFFERENCE
from ultracluster.planner.devices import BY_ROW, Gpu
from ultracluster.planner.outcome import Outcome
from ultracluster.planner.question import Question
from ultracluster.planner.search import Search

NEAR: Final = 8
"""Nodes fewer, or that part of them, among which a number that divides better is looked for."""
MUCH: Final = 0.4
"""Share of a step that waits for the network above which other plans are named."""


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
        least = search.least(outcome.nodes, tensor=1)
        yield (
            f"sharded data parallelism alone cannot train this model here: three layers in "
            f"flight are {3 * least.layer / 2**30:,.0f} GiB and every GPU holds whole layers, "
            f"{least.needed / 2**30:,.0f} GiB in all of {least.capacity / 2**30:,.1f}; it "
            "takes tensor parallelism, or offloading, which is not planned for"
        )
        bigger = next((g for g in _with_more_memory(gpu)), None)
        if bigger is not None:
            roomier = Search(replace(search.setup, gpu=bigger), search.batch)
            fits = roomier.smallest_group(outcome.nodes, tensor=1)
            yield (
                f"on {bigger.name} it can, with partition groups of {fits:,} GPUs or more"
                if fits
                else f"nor can it on {bigger.name}"
            )
    waiting = outcome.step.exposed / outcome.step.seconds
    if shape.parameters > 2e11:  # noqa: PLR2004 - where Megatron began to use many stages
        yield (
            "pipeline parallelism is not planned for; runs of this size used it (Megatron: 64 "
            "stages for 1 T) and were several times faster on such networks"
        )
    elif waiting > MUCH:
        yield (
            f"{waiting:.0%} of a step waits for the network: a larger --batch-tokens, fewer nodes "
            "or faster cards shorten that; so does pipeline parallelism, which is not planned for"
        )


def _fewer(search: Search, outcome: Outcome) -> Iterator[str]:
    """Say where some nodes less would train faster, because their number divides better."""
    nodes = outcome.nodes
    rates = {}
    for count in range(max(1, nodes - max(NEAR, nodes // NEAR)), nodes):
        step = search.best(count)
        if step is not None:
            rates[count] = step.tokens_per_second
    best = max(rates, key=lambda count: rates[count], default=None)
    if best is None:
        return
    gain = rates[best] / outcome.step.tokens_per_second - 1
    if gain > INDIFFERENCE:
        yield (
            f"{nodes:,} nodes divide badly into groups and batches: {best:,} train {gain:.0%} "
            f"faster, write --nodes {best}; the others would be spares"
        )


def _kept(question: Question, search: Search, outcome: Outcome) -> str:
    """Say which tensor-parallel degree would keep the batch that was asked for, if one does."""
    gpus, sequences = outcome.step.layout.gpus, outcome.step.layout.sequences
    for degree in search.degrees():
        ranks = gpus // degree
        if degree > outcome.step.layout.tensor and ranks <= question.batch < sequences:
            return f"; --tensor {degree} keeps the batch, at its own cost"
    return ""


def _with_more_memory(gpu: Gpu) -> Iterator[Gpu]:
    for other in sorted(BY_ROW.values(), key=lambda each: each.memory):
        if other.memory > gpu.memory * 1.2:
            yield other
