"""Why there is no layout of a model on so many nodes, and what to write instead."""

from itertools import product

from ultracluster.planner.layout import (
    OPTIONS_OF_A_LAYOUT,
    RECOMPUTED,
    Kind,
    Layout,
    Only,
    partitions,
)
from ultracluster.planner.memory import memory
from ultracluster.planner.question import MOST_NODES, Question
from ultracluster.planner.search import BATCH_DEVIATION, Search
from ultracluster.planner.step import Step, step
from ultracluster.problem import choices


def why_it_does_not_fit(search: Search, question: Question, nodes: int) -> str:
    """Say what is too large, for the leanest layout that there is."""
    shape = question.shape
    if question.only != Only() and Search(search.setup, question.batch).best(nodes) is not None:
        return _why_no_layout_is_left(search, question, nodes)
    least = leanest(search, nodes)
    holding, layout = least.holding, least.layout
    largest, size = max(holding.items().items(), key=lambda item: item[1])
    ways = [f"{layout.tensor} tensor-parallel GPUs"] if layout.tensor > 1 else []
    ways += [f"{layout.pipeline} stages"] if layout.pipeline > 1 else []
    ways += [f"{layout.context} ranks that share its tokens"] if layout.context > 1 else []
    spread = f" by {' and '.join(ways)}" if ways else ""
    asked = f"got {nodes}" if question.nodes else f"no number up to {nodes:,} is enough"
    return (
        f"--nodes: {asked}; {shape.parameters / 1e9:,.1f} B parameters need "
        f"{holding.needed / 2**30:,.1f} GiB on each {search.setup.gpu.name} even with one "
        f"sequence recomputed{spread}, {holding.capacity / 2**30:,.1f} are available ({largest} "
        f"{size / 2**30:,.1f}); write {_what_would_fit(search, question, nodes)}"
    )


def _what_would_fit(search: Search, question: Question, nodes: int) -> str:
    """Say what to change: the batch where one pass a step fits, else more or other GPUs."""
    one = leanest(search, nodes, one_pass=True)
    if one.holding.fits:
        tokens = one.layout.sequences * question.shape.sequence
        return (
            f"--batch-tokens {tokens}, one pass a step, which needs "
            f"{one.holding.needed / 2**30:,.1f} GiB"
        )
    more = "more nodes, " if nodes < MOST_NODES else ""
    return f"{more}a shorter --sequence, or GPUs with more memory"


def _why_no_layout_is_left(search: Search, question: Question, nodes: int) -> str:
    """Say which of the wishes for a layout cannot be, where another layout fits."""
    only, per_node = question.only, search.setup.network.gpus_per_node
    wishes = {option: getattr(only, name) for name, option in OPTIONS_OF_A_LAYOUT.items()}
    wishes["--activations"] = only.activations
    given = {name: wish for name, wish in wishes.items() if wish is not None}
    got = f"{' and '.join(given)}: got {' and '.join(map(str, given.values()))}"
    where = f"{nodes:,} nodes" if question.nodes else f"up to {nodes:,} nodes"
    degrees = Search(search.setup, question.batch).choices.degrees()
    if only.tensor is not None and only.tensor not in degrees:
        there = choices([str(each) for each in degrees])
        return f"{got}; a tensor degree must divide the heads and the GPUs of a node; write {there}"
    gpus, degree = nodes * per_node, (only.tensor or 1) * (only.pipeline or 1)
    sizes = partitions(gpus // degree, max(1, per_node // (only.tensor or 1)))
    if only.group is not None and only.group not in [p * degree for p in sizes]:
        groups = choices([str(p * degree) for p in sizes])
        return f"{got}; {gpus:,} GPUs cannot be divided into such groups; write {groups}"
    batch = question.batch_tokens
    if only.pipeline is not None and only.pipeline > 1:
        least = only.pipeline * (only.micro_batch or 1) * gpus // degree
        tokens = least * question.shape.sequence // (only.context or 1)
        if tokens > batch * (1 + BATCH_DEVIATION):
            return (
                f"{got}; {only.pipeline} stages of {gpus:,} GPUs take {tokens:,} tokens a step "
                f"at least, and --batch-tokens is {batch:,}; write fewer stages or that batch"
            )
    them = ("it", "leave it out") if len(given) == 1 else ("them", "leave one of them out")
    return f"{got}; nothing fits with {them[0]} on {where}; {them[1]}"


def leanest(search: Search, nodes: int, *, one_pass: bool = False, whole: bool = False) -> Step:
    """Return the layout that takes the least memory: one sequence, recomputed, over all GPUs.

    With one pass the batch is as small as that makes it; whole layers have no tensor parallelism
    and no pipeline.
    """
    gpus, found, there = nodes * search.per_node, list[Layout](), search.choices
    for t, (p, v), c in product(there.degrees(), there.stages(), there.contexts()):
        ranks, rest = divmod(gpus, t * p)
        if rest or v > 1 or ranks % c or (whole and t * p * c > 1):
            continue
        for e in there.experts_over(t):
            if ranks * t % e == 0:
                kind = Kind(t, 1, RECOMPUTED, p, 1, c, e)
                count = 1 if one_pass else search.passes_of(kind, ranks)
                found.append(kind.layout(ranks, gpus, count, search.per_node))
    found = found or [Layout(gpus, gpus)]
    return step(search.setup, min(found, key=lambda each: memory(search.setup, each).needed))
