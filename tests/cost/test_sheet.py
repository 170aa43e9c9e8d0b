"""The arithmetic of a cost sheet: exact, and nothing left out in silence."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracluster.catalogue import prices
from ultracluster.catalogue.prices import Item, Price, Unit
from ultracluster.catalogue.values import table
from ultracluster.cost.page import page, percent
from ultracluster.cost.sheet import Quantity, cost_sheet

REGION = "us-east-1"
KNOWN = [prices.item(name) for name in sorted(table("prices")["prices"][REGION])]
amounts = st.decimals(0, 10**6, places=3)


@st.composite
def quantities(draw: st.DrawFn) -> Quantity:
    """Draw some of an item that has a price."""
    full = draw(amounts)
    item = draw(st.sampled_from(KNOWN))
    return Quantity(item, full, draw(st.sampled_from([Decimal(0), full / 2, full])), "a test")


bills = st.lists(quantities(), max_size=12).map(tuple)


@given(bill=bills)
def test_a_sheet_sums_exactly_its_lines(bill: tuple[Quantity, ...]):
    """Someone who adds the lines up gets the total, to the last digit."""
    sheet = cost_sheet(bill, REGION)

    assert len(sheet.lines) == len(bill)
    for attribute in ("full", "idle"):
        parts = [getattr(line, attribute).per_month for line in sheet.lines]
        assert getattr(sheet, attribute).per_month == sum(parts, Decimal(0))
        assert all(isinstance(part, Decimal) for part in parts)
    assert sheet.idle.per_month <= sheet.full.per_month


@given(bill=bills, index=st.integers(0, 11), more=st.decimals("0.001", 1000, places=3))
def test_more_of_anything_costs_more(bill: tuple[Quantity, ...], index: int, more: Decimal):
    """No quantity is forgotten between bill and sum."""
    if index >= len(bill):
        return
    old = bill[index]
    larger = Quantity(old.item, old.full + more, old.idle, old.purpose)
    grown = (*bill[:index], larger, *bill[index + 1 :])

    assert cost_sheet(grown, REGION).full.per_day > cost_sheet(bill, REGION).full.per_day


def test_an_hour_a_day_and_a_month_are_one_price():
    """730 hours are AWS's month, and an hourly price is a round sum a day."""
    gateway = Quantity(prices.NAT_GATEWAY, Decimal(1), Decimal(1), "NAT")

    full = cost_sheet([gateway], REGION).full
    assert (full.per_hour, full.per_day, full.per_month) == (
        Decimal("0.045"),
        Decimal("1.08"),
        Decimal("32.850"),
    )


def test_what_has_no_price_is_listed_and_is_in_no_sum():
    """Zero would look like a bargain."""
    unknown = Quantity(prices.slurm_controller("SMALL"), Decimal(1), Decimal(1), "controller")

    sheet = cost_sheet([unknown], REGION)
    assert sheet.unpriced == (unknown,)
    assert sheet.full.per_month == 0
    assert page(sheet).unpriced == ("controller: 1 of pcs/SMALL/controller",)


def test_none_of_something_needs_no_price():
    """An item that is not bought is not missing."""
    none = Quantity(prices.slurm_controller("SMALL"), Decimal(0), Decimal(0), "controller")

    assert cost_sheet([none], REGION).unpriced == ()


def test_a_stated_price_goes_before_the_table_and_the_table_before_another_region():
    """What somebody vouches for is known better than any list."""
    item = prices.on_demand("p4d.24xlarge")
    one = Quantity(item, Decimal(1), Decimal(0), "nodes")
    own = Price(item, REGION, Decimal(7), "our agreement", "", "stated")

    def found(region: str, **given: object) -> Decimal:
        (line,) = cost_sheet([one], region, **given).lines  # type: ignore[arg-type]
        return line.price.usd

    assert found(REGION, stated={item: own}) == 7
    assert found(REGION, other_region="ap-northeast-1") == Decimal("21.957642")
    assert found("sa-east-1", other_region="ap-northeast-1") == Decimal("30.09784")


@pytest.mark.parametrize(("full", "idle"), [("-1", "-1"), ("1", "2"), ("NaN", "0")])
def test_a_quantity_that_cannot_be_is_refused(full: str, idle: str):
    """A negative line would hide another one."""
    with pytest.raises((ValueError, ArithmeticError)):
        Quantity(prices.KMS_KEY, Decimal(full), Decimal(idle), "keys")


def test_a_price_that_is_gone_says_so_on_the_sheet():
    """The last known price is better than none, and worse than a current one."""
    item = Item("kms/key", Unit.MONTH)
    old = Price(item, REGION, Decimal(1), "the list", "2026-01-01", "A", "2026-02-01")

    sheet = cost_sheet([Quantity(item, Decimal(1), Decimal(1), "keys")], REGION, stated={item: old})
    assert "no longer on the Price List since 2026-02-01" in page(sheet).sources[0]


@pytest.mark.parametrize(
    ("share", "text"),
    [("0", "0.0 %"), ("0.0001", "< 0.1 %"), ("0.0006", "0.1 %"), ("1", "100.0 %")],
)
def test_a_small_share_is_not_shown_as_nothing(share: str, text: str):
    """0.0 % would say that it costs nothing."""
    assert percent(Decimal(share)) == text
