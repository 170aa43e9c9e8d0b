"""Exclusions, denials and identity providers: said and compared as IAM reads them."""

import pytest

from tests.review.access.test_statements import may, of, role
from tests.review.goldens import changes, escalations, statements
from ultracluster.review.changes.change import Danger

ANY_ROLE = may("iam:PassRole", "ec2:RunInstances", "lambda:CreateFunction", "lambda:InvokeFunction")
PROVIDER = "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"
KEY = "token.actions.githubusercontent.com"


def queue_policy(*allowed):
    """Return the policy of a queue."""
    return {
        "Q": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "P": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Q"}],
                "PolicyDocument": {"Statement": list(allowed)},
            },
        },
    }


def but(*accounts, effect="Allow"):
    """Return a statement about everybody but some accounts."""
    names = [f"arn:aws:iam::{account}:root" for account in accounts]
    return {
        "Effect": effect,
        "NotPrincipal": {"AWS": names},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }


def trusted(**more):
    """Return the trust of an identity provider."""
    given = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity"}
    return {"Statement": [{**given, "Principal": {"Federated": PROVIDER}, **more}]}


def test_denying_everything_but_some_services_closes_the_ways_over_others():
    """No instance can be started by somebody to whom iam:PassRole is denied by NotAction."""
    assert list(escalations(of(role(ANY_ROLE))))
    fence = {"Effect": "Deny", "NotAction": ["s3:*", "ec2:*"], "Resource": "*"}
    assert not list(escalations(of(role(ANY_ROLE, fence))))


def test_a_denial_that_leaves_an_action_out_does_not_close_it():
    """A fence with a hole is said to have one."""
    fence = {
        "Effect": "Deny",
        "NotAction": ["iam:Pass*", "ec2:RunInstances"],
        "Resource": "*",
    }
    assert list(escalations(of(role(ANY_ROLE, fence))))


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (but("1"), "anybody except account 1 (through IAM policies) may write"),
        (
            but("1", effect="Deny"),
            "denied to everyone except account 1 (through IAM policies): sqs:SendMessage",
        ),
        (
            {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"},
            "denied to everyone: sqs:* on the queue Q",
        ),
    ],
)
def test_a_denial_reads_as_one(statement, sentence):
    """'May never do everything' would leave something to do."""
    (found,) = statements(of(queue_policy(statement)))
    assert found.sentence.startswith(sentence)


def test_everybody_but_somebody_is_the_public():
    """An allowing NotPrincipal is marked like a star."""
    (found,) = statements(of(queue_policy(but("1"))))
    assert ("public", "high") in [(mark.concern, mark.severity) for mark in found.warnings]


@pytest.mark.parametrize(
    ("before", "after", "danger"),
    [
        (but("1"), but("1", "2"), Danger.INTERRUPTS),
        (but("1", "2"), but("1"), Danger.LOOSENS_SECURITY),
        (but("1", effect="Deny"), but("1", "2", effect="Deny"), Danger.LOOSENS_SECURITY),
    ],
)
def test_one_more_exclusion_is_compared_as_what_it_excludes(before, after, danger):
    """Whoever is excluded from an allowance may do less, from a denial more."""
    (change,) = changes(of(queue_policy(before)), of(queue_policy(after)))
    assert change.worst is danger, change.what


def test_an_exclusion_is_not_said_to_be_whom_it_excludes():
    """The account that NotPrincipal names is the one that gains nothing."""
    (change,) = changes(of(queue_policy()), of(queue_policy(but("1"))))
    assert "anybody except" in change.what


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {"StringEquals": {f"{KEY}:aud": "sts.amazonaws.com"}},
        {"StringLike": {f"{KEY}:sub": "repo:*"}},
    ],
)
def test_a_provider_that_vouches_for_everybody_is_marked(condition):
    """Whoever has an account at the provider takes a role that names no subject."""
    trust = trusted(**({} if condition is None else {"Condition": condition}))
    found = statements(of(role(trust=trust)))
    assert ("public", "high") in [(m.concern, m.severity) for s in found for m in s.warnings]


def test_a_provider_with_a_subject_is_not_marked():
    """A repository that is named is what the guide asks for."""
    condition = {"StringLike": {f"{KEY}:sub": "repo:mine/project:*"}}
    found = statements(of(role(trust=trusted(Condition=condition))))
    assert not [mark for statement in found for mark in statement.warnings]


def test_a_role_of_another_account_is_marked():
    """What happens there is in no template of ours."""
    found = statements(of(role(may("sts:AssumeRole", on="arn:aws:iam::999999999999:role/x"))))
    assert "outside" in [mark.concern for statement in found for mark in statement.warnings]
