"""Who writes what a message about money says is not refused for it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spec.samples import LEFT_OUT, P4D, changed, found
from tests.spec.strategies import environments
from ultracluster.problem import Problem
from ultracluster.spec.budget import BudgetSpec, PriceSpec
from ultracluster.spec.environment import EnvironmentSpec

FRANKFURT = {"region": "eu-central-1", "availability_zone_id": "euc1-az1"}
NAMES = {"BudgetSpec": BudgetSpec, "PriceSpec": PriceSpec}


def evaluated(text: str) -> object:
    """Return the Python that a message holds, each price to be filled in as 0."""
    return eval(text.replace("usd=...", "usd=0.0"), NAMES)  # noqa: S307 - our own message


def followed(problem: Problem, budget: BudgetSpec | None) -> dict[str, object]:
    """Return what a message tells to write into the budget, word for word."""
    if problem.field == "budget":
        written = re.search(r"write budget=(BudgetSpec\(.*\))", problem.fix)
        assert written, problem
        return {"": evaluated(written[1])}
    assert budget is not None
    if problem.field == "budget.ceiling_usd_per_day":
        ceiling = re.search(r"write at least (\d+)", problem.fix)
        assert ceiling, problem
        return {"ceiling_usd_per_day": int(ceiling[1])}
    if problem.field == "budget.notify":
        told = re.search(r"write notify=(\([^)]*\)),", problem.fix)
        assert told, problem
        return {"notify": evaluated(told[1])}
    assert problem.field == "budget.prices", problem
    fields: dict[str, object] = {}
    if region := re.search(r'write price_region="([a-z0-9-]+)"', problem.fix):
        fields["price_region"] = region[1]
    if stated := re.findall(r"PriceSpec\([^)]*\)", problem.fix):
        own = budget.prices if "add PriceSpec(" in problem.fix else ()
        fields["prices"] = (*own, *(evaluated(each) for each in stated))
    return fields


def applied(base: EnvironmentSpec, changes: dict[str, object]) -> list[Problem]:
    """Return what is left once all messages of an environment were followed at once."""
    given_budget = changes["budget"]
    budget = given_budget if isinstance(given_budget, BudgetSpec) else None
    fields: dict[str, object] = {}
    for problem in found(lambda: changed(base, changes)):
        fields |= followed(problem, budget)
    whole = fields.pop("", budget)
    return found(lambda: changed(base, {**changes, "budget": changed(whole, fields)}))


@pytest.mark.parametrize(
    "budget",
    [
        LEFT_OUT,
        BudgetSpec(ceiling_usd_per_day=1),
        BudgetSpec(ceiling_usd_per_day=1, price_region="us-east-1"),
        BudgetSpec(ceiling_usd_per_day=1, price_region="us-west-2"),
        BudgetSpec(ceiling_usd_per_day=1, prices=(PriceSpec(item="kms/key", usd=1.0),)),
    ],
)
@pytest.mark.parametrize("place", [FRANKFURT, {}], ids=["Frankfurt", "Virginia"])
def test_a_budget_is_taken_once_its_messages_are_followed(place, budget):
    """A Region with few prices of its own: the ceiling that was named left the others out."""
    changes = {**place, "budget": budget}

    assert found(lambda: changed(P4D, changes)) != []
    assert applied(P4D, changes) == []


def test_the_region_of_whose_prices_most_are_known_is_advised():
    """Who took another one was told to state twelve prices that the table has."""
    own = BudgetSpec(ceiling_usd_per_day=10**6, price_region="us-west-2")
    (problem,) = found(lambda: changed(P4D, {**FRANKFURT, "budget": own}))

    assert 'write price_region="us-east-1"' in problem.fix
    assert problem.fix.count("PriceSpec(") < 3


@settings(max_examples=60)
@given(environment=environments(), budget=st.sampled_from([LEFT_OUT, 1, 10**6]))
def test_messages_about_money_can_be_followed(environment: EnvironmentSpec, budget: object):
    """Whatever is bought, and wherever."""
    own = BudgetSpec(ceiling_usd_per_day=budget) if isinstance(budget, int) else budget

    assert applied(environment, {"budget": own}) == []


def test_a_region_without_prices_is_told_once():
    """Two lines about one field would name it twice."""
    budget = changed(P4D.budget, {"prices": (), "ceiling_usd_per_day": 10**6})
    changes = {**FRANKFURT, "sagemaker.instances": 0, "budget": budget}
    (problem,) = found(lambda: changed(P4D, {**changes, "budget.price_region": "mars"}))

    assert problem.field == "budget.price_region"
    assert "write us-east-1" in problem.fix
    assert found(lambda: changed(P4D, {**changes, "budget.price_region": "us-east-1"})) == []
