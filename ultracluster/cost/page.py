"""A cost sheet as text, for the terminal and for the page that is reviewed beside the templates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG, offered
from ultracluster.catalogue.prices import Price, Unit
from ultracluster.cost.quantities import NOT_COUNTED
from ultracluster.cost.sheet import Amount, CostSheet, Line, Quantity

if TYPE_CHECKING:
    from ultracluster.spec.budget import BudgetSpec

CENT: Final = Decimal("0.01")
TENTH: Final = Decimal("0.1")
SMALLEST_SHARE: Final = Decimal("0.05")
DIGITS_OF_A_QUANTITY: Final = 3
MEASURES: Final = {
    Unit.HOUR: "",
    Unit.MONTH: "",
    Unit.GB: " GB a month",
    Unit.GB_MONTH: " GB",
    Unit.IOPS_MONTH: " IOPS",
    Unit.MBPS_MONTH: " MB/s",
}
"""What a quantity of an item is counted in."""


def money(usd: Decimal) -> str:
    """Return USD to the cent, with thousands apart."""
    return f"{usd.quantize(CENT, ROUND_HALF_UP):,}"


def plain(number: Decimal) -> str:
    """Return a number without trailing zeros, with thousands apart."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(quantity: Quantity) -> str:
    """Return how much of an item is used at full size."""
    return f"{plain(round(quantity.full, DIGITS_OF_A_QUANTITY))}{MEASURES[quantity.item.unit]}"


def percent(share: Decimal) -> str:
    """Return a share of 0 to 1 in percent."""
    found = share * 100
    if 0 < found < SMALLEST_SHARE:
        return "< 0.1 %"
    return f"{found.quantize(TENTH, ROUND_HALF_UP)} %"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a sheet, in words."""

    purpose: str
    item: str
    quantity: str
    unit_price: str
    full: tuple[str, str, str]
    """USD an hour, a day and a month at full size."""
    share: str
    idle_per_day: str
    source: str
    """Number of the source below the table, in brackets."""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a sheet says."""

    rows: tuple[Row, ...]
    full: tuple[str, str, str]
    """The sum at full size for an hour, a day and a month."""
    idle: tuple[str, str, str]
    """The same while no node and no job runs."""
    sources: tuple[str, ...]
    unpriced: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def lists(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What stands below the table and the sources, by its title, where there is any."""
        for title, texts in (
            ("Without a known price, and in no sum", self.unpriced),
            ("Assumptions", self.assumptions),
            ("Not counted", NOT_COUNTED),
        ):
            if texts:
                yield title, texts


def page(sheet: CostSheet) -> Page:
    sources = tuple(dict.fromkeys(_source(line.price, sheet.region) for line in sheet.lines))
    quantities = [*(line.quantity for line in sheet.lines), *sheet.unpriced]
    return Page(
        rows=tuple(_row(line, sheet, sources) for line in sheet.lines),
        full=_amounts(sheet.full),
        idle=_amounts(sheet.idle),
        sources=sources,
        unpriced=tuple(f"{q.purpose}: {counted(q)} of {q.item.name}" for q in sheet.unpriced),
        assumptions=tuple(f"{q.purpose}: {q.assumption}" for q in quantities if q.assumption),
    )


def _row(line: Line, sheet: CostSheet, sources: Sequence[str]) -> Row:
    return Row(
        purpose=line.quantity.purpose,
        item=line.quantity.item.name,
        quantity=counted(line.quantity),
        unit_price=f"{plain(line.price.usd)} / {line.quantity.item.unit}",
        full=_amounts(line.full),
        share=percent(sheet.share(line)),
        idle_per_day=money(line.idle.per_day),
        source=f"[{sources.index(_source(line.price, sheet.region)) + 1}]",
    )


def _amounts(amount: Amount) -> tuple[str, str, str]:
    return money(amount.per_hour), money(amount.per_day), money(amount.per_month)


def _source(price: Price, region: str) -> str:
    """Return where a price is from, with its day and how far it is to be trusted."""
    parts = [price.source]
    if price.date:
        parts.append(price.date)
    if price.confidence != "stated":
        parts.append(f"confidence {price.confidence}")
    if price.region != region:
        parts.append(f"price of {price.region}")
    if price.gone_since is not None:
        parts.append(f"no longer on the Price List since {price.gone_since}")
    return "; ".join(parts)


def limits(sheet: CostSheet, budget: "BudgetSpec") -> Iterator[str]:
    """Yield what is said of a sheet's ceiling and of the budget that watches it."""
    ceiling = Decimal(budget.ceiling_usd_per_day)
    left = ceiling - sheet.full.per_day
    if left >= 0:
        room = f"{money(left)} are left, {percent(left / ceiling)} of it"
    else:
        room = f"the sum is {money(-left)} above it"
    yield f"Ceiling: {ceiling:,} USD a day at full size; {room}."
    if not offered(sheet.region):
        yield (
            f"Nobody is told: CloudFormation has no AWS Budgets in USD in {sheet.region}. A "
            "`CostBudget` in a stack of another Region of the account watches this one as well."
        )
        return
    alerts = ", ".join(f"{alert} %" for alert in sorted(budget.alerts_percent))
    yield (
        f"AWS Budgets: {budget.ceiling_usd_per_month:,} USD a month; alerts when {alerts} are "
        f"spent, and when the forecast passes {budget.forecast_percent} %. It counts nothing until "
        f"`{ENVIRONMENT_TAG}` is active as a cost allocation tag."
    )
