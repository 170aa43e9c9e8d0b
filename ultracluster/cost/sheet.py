"""The cost sheet: quantities with their prices, and items without a known price.

A sheet knows nothing of environments: whoever has quantities (an environment, a plan that is not
yet one) gets a sheet of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ultracluster.catalogue.prices import HOURS_PER_MONTH, Item, Price, Unit, price

HOURS_PER_DAY: Final = 24
NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much of an item is used: a line of a bill of quantities.

    Hourly items are counted in things at a time (nodes, gateways). What is held or provisioned is
    counted in its unit (GB held, IOPS provisioned). What flows is counted in GB a month.

    Raises:
        ValueError: where a quantity is negative, or none is idle than at full size.
    """

    item: Item
    full: Decimal
    """At full size."""
    idle: Decimal
    """While no node and no job runs."""
    purpose: str
    """What it is for, in a few words."""
    assumption: str = ""
    """How the quantity was arrived at, where no field of a spec says it."""

    def __post_init__(self) -> None:
        if not NOTHING <= self.idle <= self.full:
            raise ValueError(
                f"{self.item.name}: got {self.full} at full size and {self.idle} idle; quantities "
                "are 0 or more and an idle environment uses no more than a full one"
            )


def kept(item: Item, quantity: int | Decimal, purpose: str, assumption: str = "") -> Quantity:
    """Return a quantity that is charged all the time."""
    return Quantity(item, Decimal(quantity), Decimal(quantity), purpose, assumption)


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money in USD over time; the month is exact, the others are derived from it."""

    per_month: Decimal
    """For 730 hours, as AWS counts a month."""

    @property
    def per_hour(self) -> Decimal:
        return self.per_month / HOURS_PER_MONTH

    @property
    def per_day(self) -> Decimal:
        return self.per_month * HOURS_PER_DAY / HOURS_PER_MONTH


@dataclass(frozen=True, slots=True)
class Line:
    """A quantity at its price."""

    quantity: Quantity
    price: Price

    @property
    def full(self) -> Amount:
        return self._amount(self.quantity.full)

    @property
    def idle(self) -> Amount:
        return self._amount(self.quantity.idle)

    def _amount(self, quantity: Decimal) -> Amount:
        hourly = self.quantity.item.unit is Unit.HOUR
        return Amount(quantity * self.price.usd * (HOURS_PER_MONTH if hourly else 1))


@dataclass(frozen=True, slots=True)
class CostSheet:
    """What some quantities cost in one Region."""

    region: str
    lines: tuple[Line, ...]
    """What has a price, in the order of the bill."""
    unpriced: tuple[Quantity, ...]
    """What has none, and is in no sum."""

    @property
    def full(self) -> Amount:
        return Amount(sum((line.full.per_month for line in self.lines), NOTHING))

    @property
    def idle(self) -> Amount:
        return Amount(sum((line.idle.per_month for line in self.lines), NOTHING))

    def share(self, line: Line) -> Decimal:
        """Return a line's part of the sum at full size, 0 to 1."""
        total = self.full.per_month
        return line.full.per_month / total if total else NOTHING

    def dominating(self, count: int = 3) -> tuple[Line, ...]:
        """Return the lines that cost most at full size, the largest first."""
        return tuple(sorted(self.lines, key=lambda line: -line.full.per_month)[:count])


def known_price(
    item: Item, region: str, stated: Mapping[Item, Price], other_region: str | None
) -> Price | None:
    """Return what an item costs, as `cost_sheet` takes it; None where nobody knows."""
    found = stated.get(item) or price(item, region)
    return price(item, other_region) if found is None and other_region is not None else found


def cost_sheet(
    bill: Iterable[Quantity],
    region: str,
    *,
    stated: Mapping[Item, Price] | None = None,
    other_region: str | None = None,
) -> CostSheet:
    """Return what quantities cost.

    Args:
        bill: the quantities.
        region: the Region they are used in.
        stated: prices that somebody vouches for; they go before the table's.
        other_region: Region whose prices are taken where the table has none of the own Region.
    """
    lines: list[Line] = []
    unpriced: list[Quantity] = []
    for quantity in bill:
        found = known_price(quantity.item, region, stated or {}, other_region)
        if found is not None:
            lines.append(Line(quantity, found))
        elif quantity.full:
            unpriced.append(quantity)
    return CostSheet(region, tuple(lines), tuple(unpriced))
