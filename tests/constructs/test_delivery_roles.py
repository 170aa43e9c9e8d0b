"""Who may prepare a change of an environment, and who may execute one."""

import json
import re
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam

from constructs_lib import DeliveryRoles, add_gates

REPOSITORY = "octo@1/cluster@2"
KINDS = ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
Resources = dict[str, Mapping[str, Mapping[str, Any]]]


def made(repository: str = REPOSITORY) -> Resources:
    """Return the resources of the roles by type, after every gate."""
    app = cdk.App()
    add_gates(app)
    stack = cdk.Stack(app, "delivery")
    DeliveryRoles(stack, "Delivery", repository=repository, environment="staging")
    app.synth()
    template = assertions.Template.from_stack(stack)
    return {kind: template.find_resources(kind) for kind in KINDS}


def test_each_role_trusts_one_subject_as_it_is():
    """A pattern would let other branches, or a repository of a similar name, in."""
    resources = made()
    trusted = [
        each["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
        for each in resources["AWS::IAM::Role"].values()
    ]
    assert {each["Action"] for each in trusted} == {"sts:AssumeRoleWithWebIdentity"}
    conditions = [each["Condition"] for each in trusted]
    assert all(set(each) == {"StringEquals"} for each in conditions)
    issuer = "token.actions.githubusercontent.com"
    assert {each["StringEquals"][f"{issuer}:aud"] for each in conditions} == {"sts.amazonaws.com"}
    assert {each["StringEquals"][f"{issuer}:sub"] for each in conditions} == {
        f"repo:{REPOSITORY}:pull_request",
        f"repo:{REPOSITORY}:ref:refs/heads/main",
        f"repo:{REPOSITORY}:environment:staging",
    }


@pytest.mark.parametrize(
    ("given", "context", "used"),
    [(None, None, "hnb659fds"), (None, "of-cdk-json", "of-cdk-json"), ("own", "other", "own")],
)
def test_roles_pass_those_of_their_bootstrap_stack(
    given: str | None, context: str | None, used: str
):
    settings = {} if context is None else {"@aws-cdk/core:bootstrapQualifier": context}
    stack = cdk.Stack(cdk.App(context=settings), "delivery")
    DeliveryRoles(stack, "Delivery", repository=REPOSITORY, environment="staging", qualifier=given)
    policies = assertions.Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy")

    assert set(re.findall(r"role/cdk-([\w-]+?)-(?:file|cfn)", json.dumps(policies))) == {used}


def actions(resources: Resources, role: str) -> set[str]:
    """Return what the own policy of a role allows."""
    (logical_id,) = (name for name in resources["AWS::IAM::Role"] if role in name)
    statements = [
        statement
        for policy in resources["AWS::IAM::ManagedPolicy"].values()
        if policy["Properties"]["Roles"] == [{"Ref": logical_id}]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    listed = [[a] if isinstance(a := each["Action"], str) else a for each in statements]
    return {action for each in listed for action in each}


def test_who_prepares_cannot_execute_and_who_executes_cannot_prepare():
    """So that what was approved is what happens, whatever a workflow's file says."""
    resources = made()
    prepares, executes = actions(resources, "Prepare"), actions(resources, "Execute")
    assert "cloudformation:CreateChangeSet" in prepares
    assert "cloudformation:ExecuteChangeSet" in executes
    forbidden = {"cloudformation:CreateChangeSet", "iam:PassRole", "sts:AssumeRole"}
    assert not executes & forbidden
    assert not prepares & {"cloudformation:ExecuteChangeSet", "cloudformation:UpdateStack"}
    assert actions(resources, "Look") == set()


def test_an_account_has_one_provider_and_a_company_its_boundary():
    """Both are given where they are there."""
    stack = cdk.Stack(cdk.App(), "delivery")
    arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    DeliveryRoles(
        stack,
        "Delivery",
        repository="owner/name",
        environment="dev",
        provider=iam.OidcProviderNative.from_oidc_provider_arn(stack, "There", arn),
        permissions_boundary=iam.ManagedPolicy.from_managed_policy_name(stack, "Bound", "bound"),
    )
    template = assertions.Template.from_stack(stack)
    template.resource_count_is("AWS::IAM::OIDCProvider", 0)
    for role in template.find_resources("AWS::IAM::Role").values():
        assert "policy/bound" in str(role["Properties"]["PermissionsBoundary"])
        statement = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
        assert statement["Principal"] == {"Federated": arn}


@pytest.mark.parametrize("repository", ["owner/*", "name", "repo:owner/name", "a/b/c", "owner/?"])
def test_a_pattern_is_no_repository(repository: str):
    """Refused before a template is made."""
    with pytest.raises(ValueError, match="without patterns"):
        made(repository=repository)


def test_roles_of_one_environment_reach_no_other_of_a_longer_name():
    """`staging-*` is `staging-2-Network` as well."""
    policies = str(made()["AWS::IAM::ManagedPolicy"])

    assert ":stack/staging-Network/*" in policies
    assert ":stack/staging-*" not in policies


def test_environments_of_an_account_share_its_provider():
    """An account has one, and a second of the same address is refused."""
    stack = cdk.Stack(cdk.App(), "delivery")
    first = DeliveryRoles(stack, "One", repository="owner/name", environment="one")
    DeliveryRoles(
        stack,
        "Two",
        repository="owner/other",
        environment="two",
        branch="release",
        provider=first.provider,
    )
    template = assertions.Template.from_stack(stack)

    template.resource_count_is("AWS::IAM::OIDCProvider", 1)
    template.resource_count_is("AWS::IAM::Role", 6)
    assert "repo:owner/other:ref:refs/heads/release" in str(template.to_json())


@pytest.mark.parametrize("environment", ["*", "staging-*", "Staging", ""])
def test_a_pattern_is_no_environment(environment: str):
    """Its roles would reach every stack of the account."""
    with pytest.raises(ValueError, match="environment: got"):
        DeliveryRoles(cdk.Stack(), "D", repository="owner/name", environment=environment)
