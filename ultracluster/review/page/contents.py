"""What the page and the Markdown say of a review, in sentences."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from ultracluster.cost.page import money as usd
from ultracluster.review.access.statement import Escalation
from ultracluster.review.bill import Money
from ultracluster.review.changes.change import Change, Danger
from ultracluster.review.changes.difference import common_start
from ultracluster.review.naming import counted, first_of, group_by
from ultracluster.review.page.causes import Group, written
from ultracluster.review.report import Review

COUNTED: Final = "nodes, Lustre, NAT gateways, endpoints and Slurm"
"""What a bill of templates counts (`bill.py`)."""
LONGEST: Final = 160
SHOWN_BEFORE: Final = 40
"""Characters of a value, and those that are shown of it before the first that differs."""
MOST_WAYS: Final = 4
"""Ways of one role, and warnings about one statement, that are shown in full."""
FEW: Final = 2
"""How many are where there are many: who may do everything has every way, and one is enough."""
MANY: Final = 12
MOST_NAMES: Final = 12
"""Names of a list; the others are counted, and all of them stand in the JSON."""


def sentences(group: Group, name: str) -> list[str]:
    """Return the reasons (`why`) or the advice (`instead`) of a group, each once."""
    said = (getattr(change, name) for change in group.changes)
    return [sentence(each) for each in dict.fromkeys(said) if each]


T = TypeVar("T")


def shown(items: Sequence[T]) -> Sequence[T]:
    """Return those of a list that a page shows in full."""
    return items[: FEW if len(items) > MANY else MOST_WAYS]


def names_of(others: Sequence[Escalation]) -> str:
    return _some([each.name for each in others], "; ", "; and ")


def _some(names: Sequence[str], *joints: str) -> str:
    all_of_them = ", all of them in the JSON" if len(names) > MOST_NAMES else ""
    return first_of(names, MOST_NAMES, *joints) + all_of_them


def verdict(review: Review) -> str:
    """Return what changes, and what was changed by hand where that is worse."""
    least = review.worst.rank if review.worst else len(Danger)
    worse = [way for way in review.ways if way.danger.rank < least]
    said = [f"Worse ({way.danger}): {sentence(way.what)}" for way in worse[:1]]
    return " ".join([_changes(review), *said])


def _changes(review: Review) -> str:
    if review.baseline is None:
        return "Compared with nothing: there is no baseline."
    if not review.changes:
        return f"Nothing changes, compared with {review.baseline}."
    first, many = review.changes[0], counted(len(review.changes), "change")
    if first.worst is Danger.HARMLESS:
        return f"{many}, all of them harmless, compared with {review.baseline}."
    alike = {change.place for change in review.changes if change.worst is first.worst}
    danger = first.worst.value + (f", {len(alike)} places" if len(alike) > 1 else "")
    return f"{many}, compared with {review.baseline}. Most dangerous ({danger}): {first.what}."


def cost(review: Review) -> str:
    money = review.money
    if money is None:
        return "not known: the templates do not say their Region; write --region"
    if not money.after and not money.before and money.left_out:
        return f"not known: no price is known of {_some(money.left_out)}"
    said = f"{usd(money.after)} USD a day for {COUNTED}, with every node running"
    if money.left_out:
        said += f"; not in the sum: {_some(money.left_out)}"
    if money.before is not None:
        said += f"; before {_before(money, money.before)}"
    if money.cost_sheet is not None:
        whole = "With SageMaker's jobs and everything else that is paid for it is"
        said += f". {whole} {usd(money.cost_sheet)} USD a day (ultracluster cost)"
    return said


def _before(money: Money, before: Decimal) -> str:
    """Return what was paid before; a difference only where the same is left out of both sums."""
    more = money.difference
    if more is not None:
        change = f"{'+' if more > 0 else '−'}{usd(abs(more))} USD" if more else "no difference"
        return f"{usd(before)} USD ({change})"
    said = f"{usd(before)} USD" if before else "not known"
    left_out = _some(money.left_out_before) or "nothing"
    return f"{said}, not in the sum before: {left_out}"


def members(group: Group) -> list[tuple[list[str], list[str]]]:
    """Return what happens in a group, each with the places at which it does."""
    found = group_by(group.changes, lambda change: change.place)
    said = {at: list(dict.fromkeys(sentence(c.what) for c in mine)) for at, mine in found.items()}

    def without_name(place: str) -> str:
        # Without its own name, what is said of one place is compared with what is said of others.
        # A name that is a number stays: it may as well be an amount.
        names = "|".join(re.escape(part) for part in place.split("/") if not part.isdigit())
        return re.sub(rf"(?<!\w)(?:{names})(?!\w)|/", "", " ".join(said[place]))

    alike = group_by(said, without_name)
    return [(places, said[places[0]]) for places in alike.values()]


def plain(value: Any) -> str:
    text = written(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def values(change: Change) -> tuple[str, str] | None:
    """Return what stood there and what does, None where the whole resource came or went.

    Long values that begin alike are shown from shortly before the place at which they differ.
    """
    if not change.property or (change.before is None and change.after is None):
        return None
    texts = written(change.before), written(change.after)
    same = common_start(*texts) - SHOWN_BEFORE
    if same <= 0 or max(map(len, texts)) <= LONGEST:
        return plain(texts[0]), plain(texts[1])
    return plain(f"…{texts[0][same:]}"), plain(f"…{texts[1][same:]}")


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
