"""What the formats of a review share: order, groups and words."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ultracluster.audit.report import assumptions
from ultracluster.review.access.statement import Escalation, ExplainedStatement
from ultracluster.review.changes.change import Change, Danger
from ultracluster.review.report import Review
from ultracluster.review.security.matrix import Cell, Matrix
from ultracluster.templates.reading import Key
from ultracluster.templates.resolved import Place

MOST_COLUMNS: Final = 7
"""Targets of a matrix that fit on a page; with more of them every pair is a row."""
LONGEST: Final = 160
MOST_WAYS: Final = 4
"""Ways of one role, and warnings about one statement, that are shown in full."""
FEW: Final = 2
"""How many are where there are many: who may do everything has every way, and one would tell."""
MANY: Final = 12
MOST_NAMES: Final = 12
"""Further ways that are named; the others are counted, and all of them stand in the JSON."""


@dataclass(frozen=True)
class Group:
    """Changes whose worst is the same."""

    danger: Danger
    changes: Sequence[Change]


@dataclass(frozen=True)
class Holder:
    """Everything that one resource's policies say."""

    name: str
    kind: str
    statements: Sequence[ExplainedStatement]


@dataclass(frozen=True)
class Ways:
    """The ways of one role to more rights: some in full, the others by name."""

    who: str
    shown: Sequence[Escalation]
    others: Sequence[Escalation]


@dataclass(frozen=True)
class Table:
    """A security matrix for a page."""

    names: Sequence[str]
    matrix: Matrix
    wide: bool
    """Whether it has too many targets for a matrix."""

    def cell(self, source: Key, target: Key) -> Cell | None:
        """Return what passes from a source to a target."""
        return self.matrix.cells.get((source, target))

    def pairs(self) -> list[tuple[str, str, Cell]]:
        """Return every pair between which something passes, or is meant to."""
        names = {party.key: party.name for party in (*self.matrix.sources, *self.matrix.targets)}
        return [(names[a], names[b], cell) for (a, b), cell in self.matrix.cells.items()]


def by_danger(changes: Sequence[Change]) -> list[Group]:
    """Return changes by the worst that they do, the most dangerous first."""
    found = [Group(danger, [c for c in changes if c.worst is danger]) for danger in Danger]
    return [group for group in found if group.changes]


def by_holder(statements: Sequence[ExplainedStatement]) -> list[Holder]:
    """Return statements by the resource that they are written in, in the order of the templates."""
    found: dict[tuple[str, str], list[ExplainedStatement]] = {}
    for statement in statements:
        found.setdefault((statement.place, statement.kind), []).append(statement)
    return [Holder(name, kind, mine) for (name, kind), mine in found.items()]


def ways(escalations: Sequence[Escalation]) -> list[Ways]:
    """Return the ways by who has them; who may do everything has all that are known."""
    found: dict[str, list[Escalation]] = {}
    for each in escalations:
        found.setdefault(each.who, []).append(each)
    return [Ways(who, shown(mine), mine[len(shown(mine)) :]) for who, mine in found.items()]


T = TypeVar("T")


def shown(items: Sequence[T]) -> Sequence[T]:
    """Return those of a list that a page shows in full."""
    return items[: FEW if len(items) > MANY else MOST_WAYS]


def names_of(others: Sequence[Escalation]) -> str:
    """Return further ways by their names, as many as a reader takes in."""
    named = "; ".join(each.name for each in others[:MOST_NAMES])
    left = len(others) - MOST_NAMES
    return f"{named}; and {left} more, all of them in the JSON" if left > 0 else named


def matrices(review: Review) -> list[Table]:
    """Return the security matrices that have anything in them."""
    return [
        Table(each.names, each.matrix, len(each.matrix.targets) > MOST_COLUMNS)
        for each in review.figures
        if each.matrix.cells or each.matrix.unknown
    ]


def verdict(review: Review) -> str:
    """Return the most dangerous change in a sentence."""
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


def place(found: Place) -> str:
    """Return where a resource is written."""
    return found.construct_path or f"{found.stack}/{found.logical_id}"


def plain(value: Any) -> str:
    """Return a value of a template as it is written."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return cut(value)
    return cut(json.dumps(value, ensure_ascii=False, default=str))


def values(change: Change) -> tuple[str, str] | None:
    """Return what stood there and what does, None where the whole resource came or went."""
    if not change.property or (change.before is None and change.after is None):
        return None
    return plain(change.before), plain(change.after)


def cut(text: str, most: int = LONGEST) -> str:
    """Return a text that a page can hold."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


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
    """Return a text as part of an id or a class."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def assumed(choices: Mapping[str, bool]) -> str:
    """Return under which conditions a finding holds; empty where always."""
    return assumptions(choices) if choices else ""
