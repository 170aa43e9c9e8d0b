"""What a cost sheet and a ceiling say to each other, in a user's words."""

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, Decimal

from ultracluster.catalogue import prices
from ultracluster.cost.sheet import CostSheet, Quantity
from ultracluster.spec.budget import NEAREST_PRICES
from ultracluster.spec.problem import MISSING, Problem, choices


def unstated(sheet: CostSheet) -> Iterator[Problem]:
    """Yield that a ceiling is missing, with one that would hold."""
    names = [quantity.item.name for quantity in sheet.unpriced]
    without = f", {choices(names)} without a known price" if names else ""
    yield Problem(
        "budget",
        MISSING,
        f"every environment states what a day may cost; this one sums to {_usd(sheet)} USD a day "
        f"at full size{without}; write budget=BudgetSpec(ceiling_usd_per_day={_whole(sheet)})",
    )


def above(sheet: CostSheet, ceiling: int) -> Iterator[Problem]:
    """Yield that the sum is above the ceiling, where it is."""
    if sheet.full.per_day <= ceiling:
        return
    parts = ", ".join(
        f"{line.quantity.purpose} {line.full.per_day:,.2f}" for line in sheet.dominating()
    )
    yield Problem(
        "budget.ceiling_usd_per_day",
        ceiling,
        f"the environment sums to {_usd(sheet)} USD a day at full size, most of it {parts}; write "
        f"at least {_whole(sheet)}, or buy less",
    )


def unpriced(sheet: CostSheet, price_region: str | None) -> Iterator[Problem]:
    """Yield that something has no price, where it has none, and the fields that would give one."""
    if not sheet.unpriced:
        return
    names = [quantity.item.name for quantity in sheet.unpriced]
    yield Problem(
        "budget.prices",
        f"no price of {choices(names)}",
        f"none is known in {sheet.region}, and a ceiling that leaves it out would not hold; write "
        f"{_price_to_write(sheet.unpriced, price_region or NEAREST_PRICES)}",
    )


def _price_to_write(lacking: Sequence[Quantity], elsewhere: str) -> str:
    nowhere = [q for q in lacking if prices.price(q.item, elsewhere) is None]
    stated = ", ".join(f'PriceSpec(item="{q.item.name}", usd=...)' for q in nowhere)
    parts = [f'price_region="{elsewhere}" to take the prices of that Region'] * (
        len(nowhere) < len(lacking)
    )
    parts += [f"prices=({stated},) with what you pay for each unit"] * bool(nowhere)
    return " and ".join(parts)


def _usd(sheet: CostSheet) -> str:
    return f"{sheet.full.per_day:,.2f}"


def _whole(sheet: CostSheet) -> Decimal:
    """Return the smallest whole ceiling that holds."""
    return max(sheet.full.per_day.to_integral_value(ROUND_CEILING), Decimal(1))
