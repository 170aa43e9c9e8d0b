"""What is said of a sheet's ceiling and of the budget that watches it."""

from collections.abc import Iterator
from decimal import Decimal

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG, offered
from ultracluster.cost.page import money, percent
from ultracluster.cost.sheet import CostSheet
from ultracluster.spec.budget import BudgetSpec


def limits(sheet: CostSheet, budget: BudgetSpec) -> Iterator[str]:
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
