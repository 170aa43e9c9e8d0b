"""AWS Budgets: the limit of a month, the alerts, and who hears them."""

import json
from pathlib import Path

import cfnlint
import pytest

from constructs_lib.cost_budget import CostBudget
from tests.constructs.bare import Surroundings, bare_stack, only, resources
from ultracluster.catalogue.budgets import REGIONS_WITHOUT, offered
from ultracluster.spec.budget import BudgetSpec

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas" / "providers"
TOPIC = f"arn:aws:sns:us-east-1:{1:012d}:alerts"
SPEC = BudgetSpec(
    ceiling_usd_per_day=1000,
    notify=("team@example.com", TOPIC),
    alerts_percent=(90, 40),
    forecast_percent=120,
)


def test_the_budget_of_a_month_is_the_ceiling_of_its_hours():
    """A day's ceiling times 730 / 24, and credits hide nothing."""
    stack = bare_stack()
    CostBudget(stack, "Budget", spec=SPEC, environment_name="dev")

    budget = only(stack, "AWS::Budgets::Budget")["Properties"]["Budget"]
    assert budget == {
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": 30416, "Unit": "USD"},
        "CostFilters": {"TagKeyValue": ["user:ultracluster:environment$dev"]},
        "CostTypes": {"IncludeCredit": False, "IncludeRefund": False},
    }


def test_every_alert_goes_to_everybody():
    """Money spent at each percentage, money forecast at one."""
    stack = bare_stack()
    CostBudget(stack, "Budget", spec=SPEC, environment_name="dev")

    alerts = only(stack, "AWS::Budgets::Budget")["Properties"]["NotificationsWithSubscribers"]
    assert [
        (alert["Notification"]["NotificationType"], alert["Notification"]["Threshold"])
        for alert in alerts
    ] == [("ACTUAL", 40), ("ACTUAL", 90), ("FORECASTED", 120)]
    for alert in alerts:
        assert alert["Subscribers"] == [
            {"SubscriptionType": "EMAIL", "Address": "team@example.com"},
            {"SubscriptionType": "SNS", "Address": TOPIC},
        ]


def test_a_budget_that_tells_nobody_gets_a_topic_that_aws_budgets_may_write_to():
    """Without the key's consent an encrypted topic drops every alert in silence."""
    stack = bare_stack()
    around = Surroundings(stack)
    spec = BudgetSpec(ceiling_usd_per_day=1000)
    budget = CostBudget(stack, "Budget", spec=spec, environment_name="dev", key=around.key)

    assert budget.topic is not None
    (policy_id, policy), *_ = resources(stack, "AWS::SNS::TopicPolicy").items()
    allowed = [
        statement
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [statement["Principal"]["Service"] for statement in allowed] == ["budgets.amazonaws.com"]
    assert allowed[0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }
    assert only(stack, "AWS::SNS::Topic")["Properties"]["KmsMasterKeyId"]
    assert only(stack, "AWS::Budgets::Budget")["DependsOn"] == [policy_id]


def test_a_topic_without_a_key_is_refused():
    """One line says what to pass."""
    with pytest.raises(ValueError, match=r"pass key=\.\.\., or an address in notify"):
        CostBudget(
            bare_stack(), "Budget", spec=BudgetSpec(ceiling_usd_per_day=1), environment_name="dev"
        )


def test_regions_without_budgets_are_those_of_the_registry():
    """CloudFormation refuses a type that a Region does not have."""
    schemas = {path.stem: json.loads(path.read_text()) for path in SCHEMAS.glob("*-*-*.json")}
    public = {r: s for r, s in schemas.items() if "iso" not in r and not r.startswith("eusc")}
    assert len(public) > 30

    without = {region for region, types in public.items() if "AWS::Budgets::Budget" not in types}
    assert without == REGIONS_WITHOUT


def test_a_ceiling_in_usd_is_no_budget_in_china():
    """China bills in CNY."""
    assert offered("us-east-1")
    assert not offered("cn-north-1")
