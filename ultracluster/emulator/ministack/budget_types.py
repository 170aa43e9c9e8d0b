"""`AWS::Budgets::Budget` through MiniStack's Budgets API."""

import json
from collections.abc import Mapping
from typing import Any

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, Resource, ServiceError


class Budget:
    """A budget with its notifications: `Ref` is the name."""

    def create(self, order: Order) -> Resource:
        given = order.properties
        budget = dict(given["Budget"])
        budget.setdefault("BudgetName", order.generated_name)
        _call(
            "CreateBudget",
            order.scope.account,
            Budget=budget,
            NotificationsWithSubscribers=given.get("NotificationsWithSubscribers") or [],
        )
        return Resource(str(budget["BudgetName"]), {"Id": budget["BudgetName"]})

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        """Change the budget; its notifications are create-only in the registry."""
        del previous
        budget = {**order.properties["Budget"], "BudgetName": physical_id}
        _call("UpdateBudget", order.scope.account, NewBudget=budget)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, order: Order) -> None:
        try:
            _call("DeleteBudget", order.scope.account, BudgetName=physical_id)
        except ServiceError as error:
            if "NotFound" not in error.code:
                raise


def _call(operation: str, account: str, **arguments: Any) -> None:
    request = {"AccountId": account, **arguments}
    status, _, body = internals.budgets._DISPATCH[operation](request)
    if status >= 400:  # noqa: PLR2004 - an HTTP error
        answer = json.loads(body or b"{}")
        code = str(answer.get("__type", "ClientException"))
        raise ServiceError("Budgets", code, str(answer.get("message") or answer.get("Message")))
