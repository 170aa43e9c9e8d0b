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
from typing import Any, Final

from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.comparison import changes
from ultracluster.review.changes.difference import is_function
from ultracluster.review.drift import Drifted
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.templates.scope import section
from ultracluster.templates.template import Template

UNTOUCHED: Final = "the delivery does not name it"


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
    rows = [_planned(change) for place, change in planned.items() if place not in by_hand]
    for place, hand in by_hand.items():
        whole = place._replace(property="")
        rows.append(_by_hand(hand, planned.get(place) or planned.get(whole), met.get(place)))
    return tuple(sorted(rows, key=lambda row: row.danger.rank))


def _planned(change: Change) -> ThreeWays:
    return ThreeWays(
        *(change.worst, change.place, change.property),
        *(change.after, change.before, change.before),
        change.what,
    )


def _by_hand(hand: Change, planned: Change | None, met: Change | None) -> ThreeWays:
    then, danger = f"{UNTOUCHED}: it stays", hand.worst
    approved = hand.before
    if planned is not None:
        judged = met or planned
        approved = planned.after
        danger = min(hand.worst, judged.worst, key=lambda each: each.rank)
        then = f"the delivery writes over it: {judged.what}"
        if planned.property and met is None:
            then = "the delivery writes the same"
    return ThreeWays(
        *(danger, hand.place, hand.property),
        *(approved, hand.before, hand.after),
        f"by hand: {hand.what}; {then}",
    )
