"""The alarm on reserved capacity that is not used, and who hears it."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_kms as kms

from constructs_lib.alarms import AlarmTopic, IdleCapacityAlarm
from tests.constructs.bare import Surroundings, bare_stack, only, resources

RESERVATION = "cr-0123456789abcdef0"
TOPIC = f"arn:aws:sns:us-east-1:{1:012d}:alerts"


def test_an_idle_reservation_is_told_within_a_quarter_of_an_hour():
    """AWS Budgets is up to a day late: 512 p4d cost 270,000 USD by then."""
    stack = bare_stack()
    IdleCapacityAlarm(
        stack,
        "Alarm",
        capacity_reservation_id=RESERVATION,
        topics=[TOPIC],
        least_used_percent=90,
    )
    alarm = only(stack, "AWS::CloudWatch::Alarm")["Properties"]

    assert (alarm["Namespace"], alarm["MetricName"]) == (
        "AWS/EC2CapacityReservations",
        "InstanceUtilization",
    )
    assert alarm["Dimensions"] == [{"Name": "CapacityReservationId", "Value": RESERVATION}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 90)
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 15 * 60
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["AlarmActions"] == [TOPIC]


def topic_of(stack: cdk.Stack, notify: Sequence[str], key: kms.IKey) -> AlarmTopic:
    return AlarmTopic(stack, "Topic", notify=notify, key=key)


def test_a_topic_that_exists_is_told_and_none_is_made():
    """Somebody's own topic has its own subscribers."""
    stack = bare_stack()

    assert topic_of(stack, [TOPIC], Surroundings(stack).key).arns == [TOPIC]
    assert resources(stack, "AWS::SNS::Topic") == {}


def test_where_nobody_is_named_there_is_a_topic_to_subscribe_to():
    """As for the budget."""
    stack = bare_stack()

    assert len(topic_of(stack, [], Surroundings(stack).key).arns) == 1
    assert resources(stack, "AWS::SNS::Subscription") == {}


def test_addresses_get_a_topic_that_cloudwatch_may_write_to():
    """An encrypted topic whose key does not admit CloudWatch drops every alarm in silence."""
    stack = bare_stack()
    key = kms.Key(stack, "Key")
    topic_of(stack, ("a@example.com", "b@example.com"), key)

    subscriptions = resources(stack, "AWS::SNS::Subscription").values()
    ends = {each["Properties"]["Endpoint"] for each in subscriptions}
    assert ends == {"a@example.com", "b@example.com"}
    for policy in (
        only(stack, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"],
        only(stack, "AWS::KMS::Key")["Properties"]["KeyPolicy"],
    ):
        (admitted,) = (
            statement
            for statement in policy["Statement"]
            if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        )
        assert admitted["Condition"]["StringEquals"] == {
            "aws:SourceAccount": {"Ref": "AWS::AccountId"}
        }
