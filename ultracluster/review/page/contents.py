"""Changes that have one cause, so that a reader judges each cause once.

for group in grouped(changes):
    print(group.danger, group.cause, [change.place for change in group.changes])
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from ultracluster.cost.page import money as usd
from ultracluster.review.access.statement import Escalation
from ultracluster.review.bill import Money
from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.difference import canonical
from ultracluster.review.report import Review
from ultracluster.templates import resolved_values

LONGEST_OF_A_CAUSE: Final = 60
"""Characters of a value that a cause quotes; of a longer one it says only that it changes."""
FOLLOWED: Final = ("Parameters", "Mappings", "Conditions", "Outputs")
"""Sections whose values are used at resources."""
RETENTION: Final = ("@DeletionPolicy", "@UpdateReplacePolicy")
"""Attributes that CDK's removal policy sets together."""


@dataclass(frozen=True)
class Group:
    """Changes with one cause: the same edit of several resources, and everything that follows."""

    cause: str
    """What was edited: `DeletionPolicy and UpdateReplacePolicy: Retain → Delete`."""
    danger: Danger
    """The worst that any of its changes does."""
    changes: tuple[Change, ...]
    """In the order in which they were given."""

    @property
    def places(self) -> tuple[str, ...]:
        """The places of its changes, each once: one resource may have several changes."""
        return tuple(dict.fromkeys(change.place for change in self.changes))


def grouped(changes: Sequence[Change]) -> tuple[Group, ...]:
    """Return changes in groups of one cause, in the order of the first change of each.

    Changes belong together where they make the same edit with the same danger, and where one
    follows from the other (`Change.caused_by`). Each change is in exactly one group.
    """
    by_place = {Difference(c.stack, c.resource, c.property): c for c in changes}
    groups = together(changes, lambda change: _key(_root(change, by_place)))
    return tuple(
        Group(
            _cause([change for change in members if _root(change, by_place) is change] or members),
            min((change.worst for change in members), key=lambda danger: danger.rank),
            tuple(members),
        )
        for members in groups.values()
    )


def _root(change: Change, by_place: Mapping[Difference, Change]) -> Change:
    """Return the change from which another follows, itself where it follows from none."""
    seen = {id(change)}
    while change.caused_by is not None:
        found = by_place.get(change.caused_by)
        if found is None or id(found) in seen:
            break
        seen.add(id(found))
        change = found
    return change


def _key(change: Change) -> object:
    """Return what is equal for all changes of one cause."""
    if change.caused_by is not None:
        return change.caused_by
    if change.resource_type is None and change.resource in FOLLOWED:
        # What a section's values become at resources stands with the section as a whole.
        return Difference(change.stack, change.resource, "")
    if change.resource_type is None:
        return change.resource, change.property, change.worst
    if not change.property:
        return _verb(change), change.resource_type, change.worst
    if change.property in RETENTION:
        return "retention", canonical(change.after), change.worst
    return change.property, canonical(change.before), canonical(change.after), change.worst


def _verb(change: Change) -> str:
    if change.before is None:
        return "added"
    return "removed" if change.after is None else "renamed or moved"


def _cause(changes: Sequence[Change]) -> str:
    """Return in a few words what the edit was."""
    first = changes[0]
    if first.caused_by is not None or first.resource_type is None:
        section = (first.caused_by or first).resource
        stacks = ", ".join(dict.fromkeys((c.caused_by or c).stack for c in changes))
        return f"{section} of {stacks}"
    if not first.property:
        return f"{first.resource_type} {_verb(first)}"
    names = " and ".join(dict.fromkeys(c.property.removeprefix("@") for c in changes))
    before, after = (
        list(dict.fromkeys("none" if value is None else _written(value) for value in values))
        for values in ([c.before for c in changes], [c.after for c in changes])
    )
    if max(map(len, [*before, *after])) > LONGEST_OF_A_CAUSE:
        return f"{names} {'changes' if ' and ' not in names else 'change'}"
    return f"{names}: {'/'.join(before)} → {'/'.join(after)}"


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else resolved_values.shown(value)


COUNTED: Final = "nodes, Lustre, NAT gateways, endpoints and Slurm"
"""What a bill of templates counts (`bill.py`)."""
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


def members(group: Group) -> list[tuple[str, list[str]]]:
    """Return what happens at each place of a group."""
    found = together(group.changes, lambda change: change.place)
    return [(at, list(dict.fromkeys(sentence(c.what) for c in mine))) for at, mine in found.items()]


def sentences(group: Group, name: str) -> list[str]:
    """Return the reasons (`why`) or the advice (`instead`) of a group, each once."""
    said = (getattr(change, name) for change in group.changes)
    return [sentence(each) for each in dict.fromkeys(said) if each]


def together(items: Sequence[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Return things by a key, in the order in which each key comes first."""
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
    if not money.after and not money.before and money.left_out:
        return f"not known: no price is known of {', '.join(money.left_out)}"
    said = f"{usd(money.after)} USD a day for {COUNTED}, with every node running"
    if money.left_out:
        said += f"; not in the sum: {', '.join(money.left_out)}"
    if money.before is not None:
        said += f"; before {_before(money, money.before)}"
    if money.cost_sheet is not None:
        whole = "with SageMaker's jobs and the rest that an environment pays for"
        said += f"; {whole} {usd(money.cost_sheet)} USD a day by `ultracluster cost`"
    return said


def _before(money: Money, before: Decimal) -> str:
    """Return what was paid before; a difference only where the same is left out of both sums."""
    more = money.difference
    if more is not None:
        change = f"{'+' if more > 0 else '−'}{usd(abs(more))} USD" if more else "no difference"
        return f"{usd(before)} USD ({change})"
    said = f"{usd(before)} USD" if before else "not known"
    left_out = ", ".join(money.left_out_before) or "nothing"
    return f"{said}, not in the sum before: {left_out}"


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
