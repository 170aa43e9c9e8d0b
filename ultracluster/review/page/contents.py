"""What the formats of a review share: order, groups and words."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, TypeVar

from ultracluster.cost.page import money as usd
from ultracluster.review.access.statement import Escalation, ExplainedStatement
from ultracluster.review.changes.change import Change, Danger
from ultracluster.review.changes.groups import Group, grouped
from ultracluster.review.report import Review
from ultracluster.review.security.matrix import Cell, Matrix

LONGEST: Final = 160
MOST_WAYS: Final = 4
"""Ways of one role, and warnings about one statement, that are shown in full."""
FEW: Final = 2
"""How many are where there are many: who may do everything has every way, and one is enough."""
MANY: Final = 12
MOST_NAMES: Final = 12
"""Further ways that are named; the others are counted, and all of them stand in the JSON."""

T = TypeVar("T")
K = TypeVar("K")


def causes(changes: Sequence[Change]) -> list[Group]:
    return sorted(grouped(changes), key=lambda group: group.danger.rank)


def by_danger(changes: Sequence[Change]) -> list[tuple[Danger, list[Group]]]:
    return [(danger, list(mine)) for danger, mine in groupby(causes(changes), lambda g: g.danger)]


def members(group: Group) -> list[tuple[str, list[str]]]:
    """Return what happens at each place of a group."""
    found: dict[str, list[str]] = {}
    for change in group.changes:
        found.setdefault(change.place, []).append(sentence(change.what))
    return [(place, list(dict.fromkeys(said))) for place, said in found.items()]


def sentences(group: Group, name: str) -> list[str]:
    """Return the reasons (`why`) or the advice (`instead`) of a group, each once."""
    said = (getattr(change, name) for change in group.changes)
    return [sentence(each) for each in dict.fromkeys(said) if each]


def by_holder(
    found: Sequence[ExplainedStatement],
) -> dict[tuple[str, str], list[ExplainedStatement]]:
    """Return statements by the resource and the kind of the policy that they stand in."""
    return _together(found, lambda statement: (statement.place, statement.kind))


def ways(escalations: Sequence[Escalation]) -> dict[str, list[Escalation]]:
    """Return the ways to more rights by who has them; who may do everything has all of them."""
    return _together(escalations, lambda way: way.who)


def _together(items: Sequence[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    found: dict[K, list[T]] = {}
    for each in items:
        found.setdefault(key(each), []).append(each)
    return found


def shown(items: Sequence[T]) -> Sequence[T]:
    """Return those of a list that a page shows in full."""
    return items[: FEW if len(items) > MANY else MOST_WAYS]


def names_of(others: Sequence[Escalation]) -> str:
    named = "; ".join(each.name for each in others[:MOST_NAMES])
    left = len(others) - MOST_NAMES
    return f"{named}; and {left} more, all of them in the JSON" if left > 0 else named


def pairs(matrix: Matrix) -> list[tuple[str, str, Cell]]:
    """Return every pair between which something passes, or is meant to."""
    return [(matrix.names[a], matrix.names[b], cell) for (a, b), cell in matrix.cells.items()]


def verdict(review: Review) -> str:
    if review.baseline is None:
        return "Compared with nothing: there is no baseline."
    if not review.changes:
        return f"Nothing changes, compared with {review.baseline}."
    first = review.changes[0]
    count = len(review.changes)
    many = f"{count} change{'' if count == 1 else 's'}"
    if first.worst is Danger.HARMLESS:
        return f"{many}, all of them harmless, compared with {review.baseline}."
    return f"{many}, compared with {review.baseline}. Most dangerous ({first.worst}): {first.what}."


def cost(review: Review) -> str:
    money = review.money
    if money is None:
        return "not known: the templates do not say their Region; write --region"
    said = f"{usd(money.after)} USD a day for what the templates define, with every node running"
    if money.before is not None:
        more = money.after - money.before
        change = f"{'+' if more > 0 else '−'}{usd(abs(more))} USD" if more else "no difference"
        said += f"; before {usd(money.before)} USD ({change})"
    return f"{said}; not in the sum: {', '.join(money.left_out)}" if money.left_out else said


def plain(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def values(change: Change) -> tuple[str, str] | None:
    """Return what stood there and what does, None where the whole resource came or went."""
    if not change.property or (change.before is None and change.after is None):
        return None
    return plain(change.before), plain(change.after)


def pieces(text: str) -> list[str]:
    """Return a path or an id in pieces between which a line may break."""
    return re.findall(r"[^/:.\]]+[/:.\]]*|[/:.\]]+", text)


def sentence(text: str) -> str:
    """Return a text that begins and ends as a sentence does."""
    first = text.split(" ", maxsplit=1)[0]
    # Names of services and actions are written as they are.
    plain = text[1:2].islower() or " " in text[1:2]
    begun = f"{text[:1].upper()}{text[1:]}" if plain and not re.search(r"[.:]\w", first) else text
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
