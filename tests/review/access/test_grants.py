"""Comparison of what statements allow: sound, so that nothing that widens is called the same."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.review.goldens import changes
from ultracluster.model.grants import Cover, claim
from ultracluster.model.policies import pattern_matches
from ultracluster.review.changes.change import Danger

ACTIONS = st.sampled_from(["*", "s3:*", "s3:Get*", "s3:GetObject", "s3:Put?bject", "iam:PassRole"])
PLACES = st.sampled_from(["*", "arn:aws:s3:::a/*", "arn:aws:s3:::a/b", "arn:aws:s3:::c"])
CONDITIONS = st.sampled_from(
    [
        None,
        {"StringEquals": {"aws:SourceAccount": "1"}},
        {"StringEquals": {"aws:SourceAccount": ["1", "2"]}},
        {"StringLike": {"aws:SourceArn": "arn:*"}},
        {"StringLike": {"aws:SourceArn": "arn:a*"}, "Bool": {"aws:SecureTransport": "true"}},
    ]
)


def grants(statement):
    """Return what a statement says, in its parts."""
    return tuple(claim(statement).grants())


def uncovered(some, by):
    """Return the grants that some claims do not cover."""
    cover = Cover(by)
    return tuple(grant for grant in some if grant not in cover)


@st.composite
def statements(draw):
    """Return a statement of few parts."""
    body = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        "Action": draw(st.lists(ACTIONS, min_size=1, max_size=3, unique=True)),
        "Resource": draw(st.lists(PLACES, min_size=1, max_size=2, unique=True)),
    }
    condition = draw(CONDITIONS)
    return {**body, "Condition": condition} if condition else body


POLICIES = st.lists(statements(), min_size=1, max_size=3)


def role(policy):
    """Return a role that has a policy."""
    return {
        "S": {
            "Resources": {
                "R": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {
                        "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": policy}}]
                    },
                }
            }
        }
    }


def loosens(before, after):
    """Whether the way from one policy to another is classed as more rights."""
    return any(Danger.LOOSENS_SECURITY in c.dangers for c in changes(role(before), role(after)))


def narrows(before, after):
    """Whether the way from one policy to another is classed as fewer rights."""
    return any(Danger.INTERRUPTS in c.dangers for c in changes(role(before), role(after)))


@settings(max_examples=60)
@given(POLICIES, POLICIES)
def test_widening_one_way_is_narrowing_the_other(one, other):
    """The comparison has no direction of its own."""
    assert loosens(one, other) == narrows(other, one)


@settings(max_examples=60)
@given(POLICIES, POLICIES)
def test_what_is_called_the_same_allows_the_same(one, other):
    """An independent evaluation of single requests finds no difference where none is reported."""
    if loosens(one, other):
        return
    for request in REQUESTS:
        if allowed(other, request):
            assert allowed(one, request), request


REQUESTS = [
    (action, resource, context)
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "iam:PassRole", "ec2:X")
    for resource in ("arn:aws:s3:::a/b", "arn:aws:s3:::a/z", "arn:aws:s3:::c", "x")
    for context in (
        {},
        {"aws:SourceAccount": "1"},
        {"aws:SourceAccount": "2", "aws:SourceArn": "arn:b"},
        {"aws:SourceArn": "arn:a1", "aws:SecureTransport": "true"},
    )
]


def allowed(policy, request):
    """Evaluate one request as IAM does, written apart from what is tested."""
    action, resource, context = request
    effects = {
        statement["Effect"]
        for statement in policy
        if any(_like(p.lower(), action.lower()) for p in statement["Action"])
        and any(_like(p, resource) for p in statement["Resource"])
        and all(
            key in context and any(_like(str(v), context[key]) for v in _list(values))
            for keys in statement.get("Condition", {}).values()
            for key, values in keys.items()
        )
    }
    return effects == {"Allow"}


def _list(value):
    return value if isinstance(value, list) else [value]


def _like(pattern, text):
    shape = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(shape, text) is not None


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ({"Action": "s3:*"}, {"Action": "s3:Get*"}),
        ({"NotAction": "iam:*"}, {"NotAction": ["iam:*", "sts:*"]}),
        ({"Action": "*"}, {"NotAction": "iam:*"}),
        (
            {"Condition": {"StringNotEquals": {"k": "a"}}},
            {"Condition": {"StringNotEquals": {"k": ["a", "b"]}}},
        ),
        ({"Condition": {"ArnLike": {"k": "arn:*"}}}, {"Condition": {"ArnLike": {"k": "arn:x"}}}),
        ({}, {"Condition": {"Bool": {"k": "true"}}}),
        ({"Principal": "*"}, {"Principal": {"AWS": "arn:aws:iam::1:role/x"}}),
    ],
)
def test_a_wider_statement_covers_a_narrower_one(wide, narrow):
    """And not the other way round."""
    base = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}

    def stated(over):
        kept = {k: v for k, v in base.items() if f"Not{k}" not in over}
        return {**kept, **over}

    assert uncovered(grants(stated(narrow)), [claim(stated(wide))]) == ()
    assert uncovered(grants(stated(wide)), [claim(stated(narrow))]) != ()


def test_a_question_mark_is_one_letter():
    """IAM's `?` is any one letter, and does not stand for a pattern of others."""
    assert pattern_matches("s3:Get?bject", "s3:GetObject")
    assert not pattern_matches("s3:Get?", "s3:GetObject")
    three = claim({"Effect": "Allow", "Action": "s3:???", "Resource": "*"})
    every = grants({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    assert uncovered(every, [three]) == every


def test_a_policy_of_hundreds_of_actions_and_resources_is_compared():
    """Parts are compared once each, and not each combination with each."""

    def policy(letter):
        return [
            {
                "Effect": "Allow",
                "Action": [f"s3:Get{i}{letter}*" for i in range(100)],
                "Resource": [f"arn:aws:s3:::{n}{i}/*" for i in range(100)],
            }
            for n in range(3)
        ]

    found = changes(role(policy("a")), role(policy("b")))
    assert [c.dangers for c in found] == [(Danger.INTERRUPTS, Danger.LOOSENS_SECURITY)]
