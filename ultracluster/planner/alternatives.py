"""The same training on other instance types."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ultracluster.catalogue import instances
from ultracluster.planner.devices import Gpu, comparable_types, gpu_of
from ultracluster.planner.layout import Only
from ultracluster.planner.outcome import Alternative
from ultracluster.planner.plan import Planner
from ultracluster.planner.price import ON_DEMAND, ways_to_buy
from ultracluster.planner.question import LONGEST_DAYS, MOST_NODES, SEARCHED_NODES, Question
from ultracluster.planner.stack import known_on

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
        return Alternative(name, gpu, None, None, f"not sold in {question.region}")
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
    )
    planner = Planner(other)
    best = planner.outcome(most)
    if best is None:
        return Alternative(name, gpu, None, None, "the model does not fit")
    if best.days > days:
        why = f"{most:,} nodes need {best.days:,.0f} days"
        why = why if best.days <= LONGEST_DAYS else "not feasible"
        return Alternative(name, gpu, None, None, why)

    def in_time(nodes: int) -> bool:
        found = planner.outcome(nodes)
        return found is not None and found.days <= days

    fewest = 1 + bisect_left(range(1, most), True, key=in_time)
    best = planner.outcome(fewest) or best
    return Alternative(name, gpu, best, planner.bill(best, other.purchase))
