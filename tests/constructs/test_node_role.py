"""What a node may do, and does at its first boot."""

import aws_cdk as cdk
import pytest

from constructs_lib.node_role import NodeRole
from tests.constructs.bare import Surroundings, bare_stack, listed, only, statements


@pytest.fixture(scope="session")
def role() -> cdk.Stack:
    stack = bare_stack()
    around = Surroundings(stack)
    NodeRole(stack, "NodeRole", bucket=around.bucket, key=around.key)
    return stack


def test_no_policy_of_aws_is_attached(role: cdk.Stack):
    """AmazonSSMManagedInstanceCore reads every parameter of the account."""
    assert "ManagedPolicyArns" not in only(role, "AWS::IAM::Role")["Properties"]


def test_no_action_is_a_wildcard(role: cdk.Stack):
    """What a wildcard reaches grows with every release of AWS."""
    actions = [a for s in statements(role).values() for a in listed(s["Action"])]

    assert [action for action in actions if "*" in action] == []


def test_only_what_has_no_resource_is_allowed_everywhere(role: cdk.Stack):
    """The agent acts on the calling instance; a registry token has no resource."""
    everywhere = {sid for sid, s in statements(role).items() if s["Resource"] == "*"}

    assert everywhere == {"SystemsManager", "EnterRegistry"}


def test_nodes_can_enter_the_registry(role: cdk.Stack):
    """Without a token no repository admits them, whatever its own policy says."""
    assert statements(role)["EnterRegistry"]["Action"] == "ecr:GetAuthorizationToken"


def test_only_ec2_assumes_the_role(role: cdk.Stack):
    """It is the role of an instance, and of nobody who can start one elsewhere."""
    (statement,) = only(role, "AWS::IAM::Role")["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}
