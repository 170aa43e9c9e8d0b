"""Every statement of every role, against AWS's Service Authorization Reference."""

import json
import re
from importlib.resources import files
from typing import Any, Final

import pytest

from tests.constructs.alone import define
from tests.constructs.bare import bare_stack, listed, resources

# As cfn-lint 1.58.0 carries the reference.
REFERENCE: Final = json.loads(
    files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text()
)
ROLES: Final = ("execution-role", "launcher-role", "node-role", "training-network")

# The agent of Systems Manager can be told to act on its own instance only by AWS itself; its
# managed policy (AmazonSSMManagedInstanceCore) has no resource either.
AGENT: Final = {
    "ssm:ListInstanceAssociations",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
}
# Metrics are bound by a condition on their namespace; their resource, a dataset, is optional.
EXCUSED: Final = {"node-role": AGENT, "execution-role": {"cloudwatch:PutMetricData"}}


def arn(value: Any) -> str:
    """Return a resource with its references filled in."""
    known = {
        "AWS::Partition": "aws",
        "AWS::Region": "us-east-1",
        "AWS::AccountId": "123456789012",
    }
    match value:
        case str():
            return value
        case {"Ref": name}:
            return known[name]
        case {"Fn::GetAtt": [_, "Arn"]}:
            return "arn:aws:logs:us-east-1:123456789012:log-group:flow:*"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(arn(part) for part in parts)
    raise AssertionError(value)


def actions(role: str) -> list[tuple[str, list[str]]]:
    """Return every action of a role with the resources it is allowed on."""
    stack = bare_stack()
    define(role, stack)
    return [
        (action, [arn(resource) for resource in listed(statement["Resource"])])
        for policy in resources(stack, "AWS::IAM::ManagedPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    ]


@pytest.fixture(scope="session")
def policies() -> dict[str, list[tuple[str, list[str]]]]:
    return {role: actions(role) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_an_action_with_a_resource_is_never_allowed_everywhere(policies: dict[str, Any], role: str):
    """`*` is left to what IAM knows no resource for."""
    everywhere = {
        action
        for action, allowed in policies[role]
        if "*" in allowed
        and REFERENCE[action.partition(":")[0]]["Actions"][action.partition(":")[2].lower()].get(
            "Resources"
        )
    }
    assert everywhere == EXCUSED.get(role, set())


@pytest.mark.parametrize("role", ROLES)
def test_every_action_is_allowed_on_a_resource_of_its_own(policies: dict[str, Any], role: str):
    """A statement on a resource that the action does not know allows nothing."""
    for action, allowed in policies[role]:
        service, _, name = action.partition(":")
        kinds = REFERENCE[service]["Actions"][name.lower()].get("Resources") or []
        formats = [
            re.sub(r"\$\{\w+\}", "[^:]*", shape)
            for kind in kinds
            for shape in REFERENCE[service]["Resources"][kind]["ARNFormats"]
        ]
        fits = [a for a in allowed if any(re.match(shape, a) for shape in formats)]
        assert "*" in allowed or fits, f"{action} on {allowed}"
