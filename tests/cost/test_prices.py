"""The price table: every price with its source and day, and none that nobody knows."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ultracluster.catalogue import instances, prices
from ultracluster.catalogue.prices import UnknownItemError
from ultracluster.catalogue.values import table

FACTS = Path(__file__).parents[2] / "facts"
EVERY = [
    price
    for region, named in table("prices")["prices"].items()
    for name in named
    if (price := prices.price(prices.item(name), region)) is not None
]


def test_every_price_says_where_and_when_it_is_from():
    """A number without source and day cannot be disputed."""
    assert len(EVERY) > 150
    for price in EVERY:
        assert price.usd > 0
        assert price.source
        assert price.date
        assert price.confidence in {"A", "B", "C"}
        assert prices.item(price.item.name) == price.item


def test_on_demand_prices_are_those_of_the_facts():
    """The table derives; it does not decide."""
    facts = json.loads((FACTS / "ec2_on_demand_prices.json").read_text())

    for name, regions in facts["on_demand_usd_per_hour"].items():
        for region, usd in regions.items():
            found = prices.price(prices.on_demand(name), region)
            if region.startswith("cn-"):
                assert found is None, "CNY are no USD"
            else:
                assert found is not None
                assert found.usd == Decimal(str(usd))


def test_what_is_not_known_is_absent():
    """facts/prices_other.json and prices_by_region.json list what was not found."""
    for item in (
        prices.on_demand("p5e.48xlarge"),
        prices.capacity_block("p4d.24xlarge"),
        prices.LUSTRE_BACKUP,
        prices.slurm_controller("LARGE"),
    ):
        assert all(prices.price(item, region) is None for region in prices.regions())


def test_a_price_of_one_region_is_none_of_another():
    """P4d costs a third more in Tokyo."""
    p4d = prices.on_demand("p4d.24xlarge")

    assert prices.price(p4d, "us-east-1") != prices.price(p4d, "ap-northeast-1")
    assert prices.price(p4d, "eu-west-3") is None


def test_two_sources_of_one_price_agree():
    """SkyPilot's copy is trusted for other Regions because it says the same of us-east-1."""
    facts = json.loads((FACTS / "prices_by_region.json").read_text())["ec2_on_demand"]
    for name, regions in facts["usd_per_hour"].items():
        own = prices.price(prices.on_demand(name), "us-east-1")
        assert own is not None
        if "us-west-2" in regions:
            assert Decimal(regions["us-west-2"]) == pytest.approx(own.usd, abs=Decimal("0.00001"))


@pytest.mark.parametrize("name", instances.names())
def test_items_of_a_type_are_found_again_by_name(name: str):
    """A user writes the name that a sheet shows."""
    for item in (prices.on_demand(name), prices.capacity_block(name)):
        assert prices.item(item.name) == item


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("nat-gateway/hours", "nat-gateway/hour"),
        ("ec2/p5e.48xlarge/ondemand", "ec2/p5e.48xlarge/on-demand"),
        ("", "ec2/p4d.24xlarge/on-demand"),
    ],
)
def test_a_name_that_no_item_has_is_refused_with_a_near_one(given: str, near: str):
    """A misspelt item would leave the price unused."""
    with pytest.raises(UnknownItemError, match=f"write {near}"):
        prices.item(given)
