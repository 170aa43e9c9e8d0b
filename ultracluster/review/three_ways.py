"""What is approved, deployed and there: three ways, in the danger classes of the review.

CloudFormation compares templates, never what is there: a change by hand is neither shown nor
undone by an ordinary change set, and a change set that names the same property writes over it.
"""

import copy
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ultracluster.drift import Drifted
from ultracluster.review.changes.change import Danger, Difference
from ultracluster.review.changes.comparison import changes
from ultracluster.review.changes.difference import is_function
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.templates.resolved import Template
from ultracluster.templates.scope import section


@dataclass(frozen=True)
class ThreeWays:
    """One place at which what is approved, deployed or there differs from the others."""

    danger: Danger
    place: str
    property: str
    approved: Any
    deployed: Any
    there: Any
    what: str
    """What somebody did by hand, and what the delivery does."""


def as_there(deployed: Sequence[Template], drifted: Sequence[Drifted]) -> list[Template]:
    """Return deployed templates as they would be written for what is there."""
    bodies = {each.name: copy.deepcopy(dict(each.body)) for each in deployed}
    # From the last: what is taken out of a list moves what stands behind it.
    for each in reversed(drifted):
        resources = section(bodies.get(each.stack, {}), "Resources")
        if each.resource in resources and each.path:
            _write(resources[each.resource].setdefault("Properties", {}), each)
        elif each.resource in resources:
            del resources[each.resource]
    return [replace(each, body=bodies[each.name]) for each in deployed]


def _write(properties: dict[str, Any], drifted: Drifted) -> None:
    """Write what is there where a pointer leads, or over the function that stands in its way."""
    *way, last = (p.replace("~1", "/").replace("~0", "~") for p in drifted.path.split("/")[1:])
    node: Any = properties
    for part in way:
        inner = node.get(part) if isinstance(node, dict) else dict(enumerate(node)).get(_key(part))
        if not isinstance(inner, dict | list) or is_function(inner):
            last = part
            break
        node = inner
    key = last if isinstance(node, dict) else _key(last)
    with suppress(LookupError):
        del node[key]
    if drifted.kind == "REMOVE":
        return
    if isinstance(node, dict):
        node[key] = _value(drifted)
    else:
        node.insert(key, _value(drifted))


def _key(part: str) -> int:
    return int(part) if part.isdecimal() else sys.maxsize


def _value(drifted: Drifted) -> Any:
    """Return a value of CloudFormation's; `5` may be a text in a template, and is judged alike."""
    try:
        return json.loads(drifted.actual)
    except ValueError:
        return drifted.actual


def three_ways(
    deployed: ResolvedTemplates, there: ResolvedTemplates, approved: ResolvedTemplates
) -> tuple[ThreeWays, ...]:
    """Return every place at which the three differ, the most dangerous first.

    A place that drifted and is changed by the delivery as well is judged by what the delivery does
    to what is there. UNVERIFIED whether CloudFormation undoes a change by hand that the delivery
    does not name, where it updates the resource for another reason.
    """
    planned, by_hand, met = (
        {Difference(c.stack, c.resource, c.property): c for c in changes(*pair) if c.covers}
        for pair in ((deployed, approved), (deployed, there), (there, approved))
    )
    rows = [
        ThreeWays(c.worst, c.place, c.property, c.after, c.before, c.before, c.what)
        for place, c in planned.items()
        if place not in by_hand
    ]
    for place, hand in by_hand.items():
        plan = planned.get(place) or planned.get(place._replace(property=""))
        danger, approved, then = hand.worst, hand.before, "the delivery does not name it: it stays"
        if plan is not None:
            approved, judged = plan.after, met.get(place)
            then = f"the delivery writes over it: {(judged or plan).what}"
            if plan.property and judged is None:
                then = "the delivery writes the same"
            danger = min(danger, (judged or plan).worst, key=lambda each: each.rank)
        what = f"by hand: {hand.what}; {then}"
        rows.append(
            ThreeWays(danger, hand.place, hand.property, approved, hand.before, hand.after, what)
        )
    return tuple(sorted(rows, key=lambda row: row.danger.rank))
