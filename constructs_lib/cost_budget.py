"""AWS Budgets: who is told when an environment's money comes near its ceiling."""

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.alarms import is_topic, notice_topic
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.spec.budget import BudgetSpec

Notification = budgets.CfnBudget.NotificationWithSubscribersProperty


class CostBudget(Construct):
    """Define a monthly budget of the ceiling, with alerts of money spent and money forecast.

    It sees what carries the environment's tag, and that only after the tag has been activated as
    a cost allocation tag by the account that pays: until then it counts nothing.

    Args:
        spec: the ceiling, the alerts and who is told.
        environment_name: value of the tag that is watched.
        key: encrypts the topic; AWS Budgets is admitted to it. Where it was imported its own policy
            has to do that.

    Raises:
        ValueError: where a topic is needed and no key is given.
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
                "key: got nothing, and the spec tells nobody (notify=()), so that a topic is "
                "made; pass a key, or an address in notify"
            )

        self.topic: sns.Topic | None = None
        """The topic that is told; None where the spec names who is."""
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
                # A credit or a refund would hide money that is being spent.
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
            # A topic that does not admit AWS Budgets yet could be refused as a subscriber.
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
