"""The cost ceiling of an environment, who is notified, and problems of its cost.

Following all messages of one run gives a valid environment: a ceiling that one message proposes is
computed with the prices of the Region that another message proposes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Final

from pydantic import Field

from ultracluster.catalogue import prices as price_table
from ultracluster.cost.sheet import CostSheet, Quantity, cost_sheet
from ultracluster.problem import MISSING, Problem, choices, repeated
from ultracluster.spec.base import Spec, UndeterminedError, rule

E_MAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
TOPIC_ARN: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}")
MOST_E_MAILS: Final = 10
"""AWS Budgets API, Notification: 10 e-mail addresses and one SNS topic (copy in MiniStack 1.5.33;
botocore 1.44.5 says 11 subscribers)."""
ALERTS: Final = (50, 80, 100)
MOST_ALERTS: Final = 9
"""10 notifications a budget (botocore 1.44.5), of which one is the forecast's."""
LARGEST_PERCENT: Final = 1000
DEAREST_USD: Final = 10**6
HIGHEST_USD: Final = 10**9
"""Higher values are taken for mistakes."""
NEAREST_PRICES: Final = "us-east-1"
"""The Region with the most known prices."""


class PriceSpec(Spec):
    """A price that the user states: one that the price table lacks, or one of a contract."""

    item: str
    """The item that it prices, as a cost sheet names it, for example
    `ec2/p5e.48xlarge/on-demand`."""

    usd: Annotated[float, Field(ge=0, le=DEAREST_USD, allow_inf_nan=False)]
    """USD per unit of the item (an hour, a GB-month); 0 for what is already paid."""

    source: str = "stated in the environment"
    """Where the price is from, for example a contract and its date."""

    @property
    def price_item(self) -> price_table.Item:
        try:
            return price_table.item(self.item)
        except price_table.UnknownItemError as error:
            raise UndeterminedError(self.item) from error

    @rule
    def _item_is_priced(self) -> Iterator[Problem]:
        try:
            price_table.item(self.item)
        except price_table.UnknownItemError as error:
            yield self.problem_of("item", str(error))


class BudgetSpec(Spec):
    """The highest cost of an environment, and who is notified before it is reached."""

    ceiling_usd_per_day: Annotated[int, Field(ge=1, le=HIGHEST_USD)]
    """Highest cost in USD of 24 hours at full size. Above it the environment is not synthesized."""

    notify: tuple[str, ...] = ()
    """E-mail addresses, and at most one ARN of an SNS topic. If empty, the environment creates a
    topic, to which somebody has to subscribe."""

    alerts_percent: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST_ALERTS)] = ALERTS
    """An alert is sent when the cost so far reaches these percentages of the month's ceiling."""

    forecast_percent: Annotated[int, Field(ge=1, le=LARGEST_PERCENT)] = 100
    """An alert is sent when the forecast cost reaches this percentage of the month's ceiling."""

    prices: tuple[PriceSpec, ...] = ()
    """Prices that are used instead of those of the price table."""

    price_region: str | None = None
    """Region whose prices are used for items that have no known price in the environment's
    Region."""

    @property
    def ceiling_usd_per_month(self) -> int:
        """The ceiling in USD of a month of 730 hours, as AWS counts it, rounded down."""
        return self.ceiling_usd_per_day * price_table.HOURS_PER_MONTH // 24

    def stated(self, region: str) -> Mapping[price_table.Item, price_table.Price]:
        found = {}
        for given in self.prices:
            usd = Decimal(repr(given.usd))  # the shortest text of a float is what the user wrote
            of = (given.price_item, region, usd, given.source)
            found[given.price_item] = price_table.Price(*of, date="", confidence="stated")
        return found

    @rule
    def _somebody_can_be_told(self) -> Iterator[Problem]:
        topics = 0
        for index, address in enumerate(self.notify):
            field = f"notify[{index}]"
            if address in self.notify[:index]:
                yield Problem(field, address, "it is listed twice; remove one")
            elif TOPIC_ARN.fullmatch(address):
                topics += 1
                if topics > 1:
                    fix = "a notification goes to one topic at most; remove one"
                    yield Problem(field, address, fix)
            elif not E_MAIL.fullmatch(address):
                fix = "write an e-mail address, or the ARN of an SNS topic (arn:aws:sns:...)"
                yield Problem(field, address, fix)
        if len(self.notify) - topics > MOST_E_MAILS:
            fix = f"AWS Budgets sends to {MOST_E_MAILS} at most; write a mailing list or a topic"
            yield Problem("notify", f"{len(self.notify) - topics} addresses", fix)

    @rule
    def _alerts_rise(self) -> Iterator[Problem]:
        given = self.alerts_percent
        for index, percent in enumerate(given):
            if not 1 <= percent <= LARGEST_PERCENT:
                fix = f"write 1 to {LARGEST_PERCENT}"
                yield Problem(f"alerts_percent[{index}]", percent, fix)
            elif percent in given[:index]:
                yield Problem(f"alerts_percent[{index}]", percent, "it is listed twice; remove one")

    @rule
    def _prices_are_stated_once(self) -> Iterator[Problem]:
        places = ((f"prices[{i}].item", vars(p).get("item")) for i, p in enumerate(self.prices))
        yield from repeated(places, "it is stated twice; remove one")

    @rule
    def _price_region_has_prices(self) -> Iterator[Problem]:
        if self.price_region is not None and self.price_region not in price_table.regions():
            known = dict.fromkeys((NEAREST_PRICES, *price_table.regions()))
            fix = f"no prices of that Region are known; write {choices(known)}"
            yield self.problem_of("price_region", fix)


def missing_ceiling(bill: Sequence[Quantity], region: str, *, notify: bool) -> Iterator[Problem]:
    """Yield the problem of a missing budget, and propose one that is high enough."""
    sheet = cost_sheet(bill, region, other_region=NEAREST_PRICES)
    names = [quantity.item.name for quantity in sheet.unpriced]
    budget = [f"ceiling_usd_per_day={_whole(sheet)}"]
    if any(line.price.region != region for line in sheet.lines):
        budget.append(f'price_region="{NEAREST_PRICES}"')
    if notify:
        budget.append('notify=("team@your-company.com",)')
    if names:
        budget.append(_stated(names))
    paid = ", with your price of each unit, and raise the ceiling by their cost" if names else ""
    yield Problem(
        "budget",
        MISSING,
        f"every environment needs a cost ceiling; this one costs {_usd(sheet)} USD a day "
        f"at full size{_prices_of_others(sheet)}"
        f"{f', {choices(names)} without a known price' if names else ''}"
        f"; write budget=BudgetSpec({', '.join(budget)}){paid}",
    )


def exceeded_ceiling(
    bill: Sequence[Quantity], region: str, budget: BudgetSpec
) -> Iterator[Problem]:
    """Yield a problem if the environment costs more than its ceiling."""
    other_region = _advised(bill, region, budget)
    sheet = _sheet(bill, region, budget, other_region)
    if sheet.full.per_day <= budget.ceiling_usd_per_day:
        return
    most = [f"{each.quantity.purpose} {each.full.per_day:,.2f}" for each in sheet.dominating()]
    taken = "" if budget.price_region == other_region else _prices_of_others(sheet)
    fix = f"the environment costs {_usd(sheet)} USD a day at full size{taken}, most of it "
    fix += f"{', '.join(most)}; write at least {_whole(sheet)}, or buy less"
    yield Problem("budget.ceiling_usd_per_day", budget.ceiling_usd_per_day, fix)


def missing_prices(sheet: CostSheet, budget: BudgetSpec) -> Iterator[Problem]:
    """Yield a problem if items have no known price, with the fields that would give them one."""
    every = [*(line.quantity for line in sheet.lines), *sheet.unpriced]
    other_region = _advised(every, sheet.region, budget)
    names = [each.item.name for each in sheet.unpriced]
    lacking = _sheet(every, sheet.region, budget, other_region).unpriced
    nowhere = list(dict.fromkeys(each.item.name for each in lacking))
    fixes = []
    # A price_region without prices has a problem of its own.
    if len(nowhere) < len(names) and budget.price_region in {None, *price_table.regions()}:
        fixes.append(f'write price_region="{other_region}" to take the prices of that Region')
    if nowhere:
        # A new tuple would replace the prices that the user has stated already.
        stated = f"write {_stated(nowhere)}"
        stated = f"add {_listed(nowhere)} to prices" if budget.prices else stated
        fixes.append(f"{stated} with your price of each unit")
    if fixes:
        yield Problem(
            "budget.prices",
            f"no price of {choices(names)}",
            f"none is known in {sheet.region}, so that the cost cannot be compared to the ceiling; "
            f"{' and '.join(fixes)}",
        )


def _advised(bill: Sequence[Quantity], region: str, budget: BudgetSpec) -> str:
    """Return the Region whose prices apply once the user has followed every message."""
    own = budget.price_region
    regions = (own if own in price_table.regions() else NEAREST_PRICES, NEAREST_PRICES)
    return min(regions, key=lambda other: len(_sheet(bill, region, budget, other).unpriced))


def _sheet(bill: Sequence[Quantity], region: str, budget: BudgetSpec, other: str) -> CostSheet:
    return cost_sheet(bill, region, stated=budget.stated(region), other_region=other)


def _prices_of_others(sheet: CostSheet) -> str:
    """Return which other Regions' prices a sum contains, as the rest of a sentence."""
    others = sorted({line.price.region for line in sheet.lines} - {sheet.region})
    return f", with prices of {choices(others)} where its own are not known" if others else ""


def _stated(names: Sequence[str]) -> str:
    return f"prices=({_listed(names)},)"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'PriceSpec(item="{name}", usd=...)' for name in names)


def _usd(sheet: CostSheet) -> str:
    return f"{sheet.full.per_day:,.2f}"


def _whole(sheet: CostSheet) -> Decimal:
    """Return the smallest ceiling in whole USD that is high enough."""
    return max(sheet.full.per_day.to_integral_value(ROUND_CEILING), Decimal(1))
