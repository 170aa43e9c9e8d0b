"""AWS Budgets: notifications when an environment's cost comes near its ceiling."""

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.alarms import is_topic, notice_topic
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.spec.budget import BudgetSpec

Notification = budgets.CfnBudget.NotificationWithSubscribersProperty


class CostBudget(Construct):
    """Define a monthly budget of the cost ceiling, with alerts on actual and on forecast cost.

    It counts resources with the environment's tag, and only after the paying account has activated
    that tag as a cost allocation tag: before, it counts nothing.

    Args:
        spec: the ceiling, the alerts and who is notified.
        environment_name: the value of the tag whose cost is counted.
        key: the key that encrypts the topic; AWS Budgets gets access to it. An imported key's
            policy must allow that already.

    Raises:
        ValueError: if a topic is needed and no key is given.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: BudgetSpec,
        environment_name: str,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if not spec.notify and key is None:
            raise ValueError(
                "key: got nothing, and spec.notify is empty, so that a topic is created, which "
                "needs a key; pass key=..., or an address in notify"
            )

        self.topic: sns.Topic | None = None
        """The new topic; None where the spec names who is notified."""
        if not spec.notify and key is not None:
            self.topic = notice_topic(self, "Topic", key=key, service="budgets.amazonaws.com")
        told = spec.notify if self.topic is None else (self.topic.topic_arn,)
        subscribers = [_subscriber(address) for address in told]
        self.resource = budgets.CfnBudget(
            self,
            "Resource",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=spec.ceiling_usd_per_month, unit="USD"
                ),
                cost_filters={"TagKeyValue": [f"user:{ENVIRONMENT_TAG}${environment_name}"]},
                # Credits and refunds would hide cost.
                cost_types=budgets.CfnBudget.CostTypesProperty(
                    include_credit=False, include_refund=False
                ),
            ),
            notifications_with_subscribers=[
                *(_alert("ACTUAL", p, subscribers) for p in sorted(spec.alerts_percent)),
                _alert("FORECASTED", spec.forecast_percent, subscribers),
            ],
        )
        """The L1 resource."""
        if self.topic is not None:
            # AWS Budgets could refuse a topic whose policy does not allow it yet.
            self.resource.node.add_dependency(self.topic.node.find_child("Policy"))


def _alert(
    kind: str, percent: int, subscribers: list[budgets.CfnBudget.SubscriberProperty]
) -> Notification:
    return Notification(
        notification=budgets.CfnBudget.NotificationProperty(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
        ),
        subscribers=subscribers,
    )


def _subscriber(address: str) -> budgets.CfnBudget.SubscriberProperty:
    return budgets.CfnBudget.SubscriberProperty(
        subscription_type="SNS" if is_topic(address) else "EMAIL", address=address
    )
