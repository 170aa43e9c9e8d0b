"""What a cost sheet and a ceiling say to each other, in a user's words.

Whoever follows every message that is shown at once has an environment that is taken: a ceiling
that is named holds with the prices of another Region that the same run tells to take.
"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, Decimal

from ultracluster.catalogue import prices
from ultracluster.cost.sheet import CostSheet, Quantity, cost_sheet
from ultracluster.problem import MISSING, Problem, choices
from ultracluster.spec.budget import NEAREST_PRICES, BudgetSpec


def unstated(bill: Sequence[Quantity], region: str, *, notify: bool) -> Iterator[Problem]:
    """Yield that a ceiling is missing, with a budget that would hold.

    Args:
        bill: what is bought.
        region: where.
        notify: whether the budget has to name somebody.
    """
    sheet = cost_sheet(bill, region, other_region=NEAREST_PRICES)
    names = [quantity.item.name for quantity in sheet.unpriced]
    budget = [f"ceiling_usd_per_day={_whole(sheet)}"]
    if any(line.price.region != region for line in sheet.lines):
        budget.append(f'price_region="{NEAREST_PRICES}"')
    if notify:
        budget.append('notify=("team@your-company.com",)')
    if names:
        budget.append(_stated(names))
    paid = ", with what you pay for each unit, which the ceiling has to hold too" if names else ""
    yield Problem(
        "budget",
        MISSING,
        f"every environment states what a day may cost; this one sums to {_usd(sheet)} USD a day "
        f"at full size{_taken(sheet)}{f', {choices(names)} without a known price' if names else ''}"
        f"; write budget=BudgetSpec({', '.join(budget)}){paid}",
    )


def above(bill: Sequence[Quantity], region: str, budget: BudgetSpec) -> Iterator[Problem]:
    """Yield that the sum is above the ceiling, where it is."""
    other_region = _advised(budget.price_region)
    sheet = cost_sheet(bill, region, stated=budget.stated(region), other_region=other_region)
    if sheet.full.per_day <= budget.ceiling_usd_per_day:
        return
    parts = ", ".join(
        f"{line.quantity.purpose} {line.full.per_day:,.2f}" for line in sheet.dominating()
    )
    taken = "" if budget.price_region == other_region else _taken(sheet)
    yield Problem(
        "budget.ceiling_usd_per_day",
        budget.ceiling_usd_per_day,
        f"the environment sums to {_usd(sheet)} USD a day at full size{taken}, most of it {parts}; "
        f"write at least {_whole(sheet)}, or buy less",
    )


def unpriced(sheet: CostSheet, budget: BudgetSpec) -> Iterator[Problem]:
    """Yield that something has no price, where it has none, and the fields that would give one."""
    names = [quantity.item.name for quantity in sheet.unpriced]
    other_region = _advised(budget.price_region)
    nowhere = [
        quantity.item.name
        for quantity in sheet.unpriced
        if prices.price(quantity.item, other_region) is None
    ]
    fixes = []
    # Another Region that has no prices is told already.
    if len(nowhere) < len(names) and budget.price_region in {None, other_region}:
        fixes.append(f'write price_region="{other_region}" to take the prices of that Region')
    if nowhere:
        # A tuple in place of the one that is there would lose the prices that are stated already.
        stated = f"write {_stated(nowhere)}"
        stated = f"add {_listed(nowhere)} to prices" if budget.prices else stated
        fixes.append(f"{stated} with what you pay for each unit")
    if fixes:
        yield Problem(
            "budget.prices",
            f"no price of {choices(names)}",
            f"none is known in {sheet.region}, and a ceiling that leaves it out would not hold; "
            f"{' and '.join(fixes)}",
        )


def _advised(price_region: str | None) -> str:
    """Return the Region whose prices are taken once every message has been followed."""
    return price_region if price_region in prices.regions() else NEAREST_PRICES


def _taken(sheet: CostSheet) -> str:
    """Say whose prices a sum holds beside those of its own Region."""
    others = sorted({line.price.region for line in sheet.lines} - {sheet.region})
    return f", where none of its own is known with prices of {choices(others)}" if others else ""


def _stated(names: Sequence[str]) -> str:
    return f"prices=({_listed(names)},)"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'PriceSpec(item="{name}", usd=...)' for name in names)


def _usd(sheet: CostSheet) -> str:
    return f"{sheet.full.per_day:,.2f}"


def _whole(sheet: CostSheet) -> Decimal:
    """Return the smallest whole ceiling that holds."""
    return max(sheet.full.per_day.to_integral_value(ROUND_CEILING), Decimal(1))
