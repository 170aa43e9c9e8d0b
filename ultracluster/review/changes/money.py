"""What a change costs, where a price is known: a part of a sentence."""

from typing import Any

from ultracluster.catalogue.prices import Item, on_demand, price
from ultracluster.review.changes.rules import Edit
from ultracluster.review.changes.values import known_text


def hourly(edit: Edit, instance_type: Any, count: int) -> str:
    """Return what instances cost in an hour: ` (1,932.27 USD an hour)`; empty if not known."""
    name = known_text(instance_type)
    found = None if name is None else _price(edit, on_demand(name))
    return "" if found is None else f" ({found * count:,.2f} USD an hour, on demand)"


def monthly(edit: Edit, item: Item, count: float) -> str:
    """Return what so much of something costs: `816 USD a month`; empty if not known."""
    found = _price(edit, item)
    return "" if found is None else f"{found * count:,.0f} USD a month"


def _price(edit: Edit, item: Item) -> float | None:
    found = price(item, edit.region) if edit.region else None
    return None if found is None else float(found.usd)
