"""What a stage costs, by the prices of the catalogue."""

from decimal import Decimal

from ultracluster.catalogue.prices import Item, Price, price
from ultracluster.cost.page import money
from ultracluster.spec.environment import EnvironmentSpec


def hours(spec: EnvironmentSpec, item: Item, count: int, most: float) -> str:
    """Return what so many of an item cost for at most so many hours, in words."""
    found = price_of(spec, item)
    if found is None:
        return f"unknown: no price of {item.name} is known; state it in budget.prices"
    usd = found.usd * count * Decimal(str(most))
    return f"{money(usd)} USD at most ({count} x {money(found.usd)} USD an hour for {most:.2g} h)"


def price_of(spec: EnvironmentSpec, item: Item) -> Price | None:
    """Return what an item costs: stated, of the Region, or of the Region that stands in."""
    budget = spec.budget
    return (
        budget.stated(spec.region).get(item)
        or price(item, spec.region)
        or (price(item, budget.price_region) if budget.price_region else None)
    )
