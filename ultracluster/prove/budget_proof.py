"""Proof of the budget: its limit, what it watches, and who is notified when."""

from collections.abc import Iterator
from typing import Any

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG, offered
from ultracluster.prove.proof import Check, Evidence, equal


def budget(evidence: Evidence) -> Iterator[Check]:
    """The budget has the month's ceiling and the environment's tag, and notifies somebody."""
    deployment, spec = evidence.deployment, evidence.spec
    wanted = 1 if offered(spec.region) else 0
    yield equal("budgets", wanted, len(deployment.of_type("AWS::Budgets::Budget", "Network")))
    if not wanted:
        return
    found = evidence.described("Network", "Budget/Resource")
    account = evidence.cloud.ask("sts", "get_caller_identity")["Account"]
    which = {"AccountId": account, "BudgetName": found["BudgetName"]}
    limit = found["BudgetLimit"]
    money = f"{float(limit['Amount']):.0f} {limit['Unit']} {found['TimeUnit']}"
    yield equal("limit of the budget", f"{spec.budget.ceiling_usd_per_month} USD MONTHLY", money)
    tag = f"user:{ENVIRONMENT_TAG}${spec.name}"
    yield equal("what the budget watches", {"TagKeyValue": [tag]}, found.get("CostFilters"))
    yield from _alerts(evidence, which)


def _alerts(evidence: Evidence, which: dict[str, str]) -> Iterator[Check]:
    cloud, spec = evidence.cloud, evidence.spec.budget
    alerts = cloud.ask("budgets", "describe_notifications_for_budget", **which)["Notifications"]
    asked = {("ACTUAL", float(percent)) for percent in spec.alerts_percent}
    asked.add(("FORECASTED", float(spec.forecast_percent)))
    have = {(alert["NotificationType"], float(alert["Threshold"])) for alert in alerts}
    yield equal("alerts of the budget", sorted(asked), sorted(have))
    notified = sorted(spec.notify) or [evidence.id_at("Network", "Budget/Topic/Resource")]
    for alert in alerts:
        answer = cloud.ask(
            "budgets", "describe_subscribers_for_notification", **which, Notification=_key(alert)
        )
        addresses = sorted(subscriber["Address"] for subscriber in answer["Subscribers"])
        yield equal(f"who is notified at {alert['Threshold']:.0f} %", notified, addresses)


def _key(alert: dict[str, Any]) -> dict[str, Any]:
    return {
        key: alert[key]
        for key in ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
        if key in alert
    }
