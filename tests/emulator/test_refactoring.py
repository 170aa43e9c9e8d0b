"""Stack refactoring: what it moves, and what it refuses as CloudFormation does."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ultracluster.aws import Account, CloudError
from ultracluster.emulator.process import Emulator
from ultracluster.rehearse.direct import settled

EXPORT = {"Value": {"Ref": "Topic"}, "Export": {"Name": "topic"}}
USER: dict[str, Any] = {
    "Type": "AWS::SSM::Parameter",
    "Properties": {"Type": "String", "Value": {"Ref": "Topic"}, "Name": "/user"},
}
POLICY = '{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}'


def topic(name: str) -> dict[str, Any]:
    """Return a topic."""
    return {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": name}}


def templates() -> dict[str, Any]:
    """Return two stacks: one with a topic and its user, one with another topic."""
    return {
        "one": {"Resources": {"Topic": topic("a"), "User": USER, "Stays": topic("s")}},
        "two": {"Resources": {"Other": topic("b")}},
    }


@pytest.fixture(scope="module")
def accounts() -> Iterator[Callable[[], Account]]:
    """Give an account with both stacks, another one each time."""
    with Emulator() as emulator:
        made: list[Account] = []

        def another() -> Account:
            key = f"{len(made) + 1:012d}"
            cloud = Account("us-east-1", emulator.environment() | {"AWS_ACCESS_KEY_ID": key})
            made.append(cloud)
            for name, body in templates().items():
                given = {"StackName": name, "TemplateBody": json.dumps(body)}
                cloud.ask("cloudformation", "create_stack", **given)
                assert settled(cloud, name) == "CREATE_COMPLETE"
            return cloud

        yield another


def refactored(cloud: Account, bodies: dict[str, Any], *moves: tuple[str, str]) -> dict[str, Any]:
    """Ask for a refactoring, execute it where it may be, and return how it is described."""
    ends = [
        [dict(zip(("StackName", "LogicalResourceId"), e.split("/"), strict=True)) for e in m]
        for m in moves
    ]
    made = cloud.ask(
        "cloudformation",
        "create_stack_refactor",
        StackDefinitions=[
            {"StackName": name, "TemplateBody": json.dumps(body)} for name, body in bodies.items()
        ],
        ResourceMappings=[{"Source": a, "Destination": b} for a, b in ends],
    )
    asked = {"StackRefactorId": made["StackRefactorId"]}
    found = cloud.ask("cloudformation", "describe_stack_refactor", **asked)
    if found["Status"] == "CREATE_COMPLETE":
        cloud.ask("cloudformation", "execute_stack_refactor", **asked)
    return cloud.ask("cloudformation", "describe_stack_refactor", **asked)


def physical(cloud: Account, stack: str) -> dict[str, str]:
    """Return the resources of a stack: logical and physical ids."""
    rows = cloud.ask("cloudformation", "list_stack_resources", StackName=stack)
    return {
        row["LogicalResourceId"]: row["PhysicalResourceId"]
        for row in rows["StackResourceSummaries"]
    }


def test_a_resource_moves_to_another_stack_with_its_reference(accounts):
    """What it was referred to within the stack becomes an import."""
    cloud = accounts()
    arn = physical(cloud, "one")["Topic"]
    bodies = templates()
    bodies["two"]["Resources"]["Moved"] = bodies["one"]["Resources"].pop("Topic")
    bodies["two"]["Outputs"] = {"Topic": {**EXPORT, "Value": {"Ref": "Moved"}}}
    user = {**USER, "Properties": {**USER["Properties"], "Value": {"Fn::ImportValue": "topic"}}}
    bodies["one"]["Resources"]["User"] = user
    found = refactored(cloud, bodies, ("one/Topic", "two/Moved"))
    assert (found["Status"], found["ExecutionStatus"]) == ("CREATE_COMPLETE", "EXECUTE_COMPLETE")
    assert physical(cloud, "two")["Moved"] == arn
    assert "Topic" not in physical(cloud, "one")
    (export,) = cloud.ask("cloudformation", "list_exports")["Exports"]
    assert export["Value"] == arn

    with pytest.raises(CloudError, match="No updates"):
        cloud.ask(
            "cloudformation",
            "update_stack",
            StackName="two",
            TemplateBody=json.dumps(bodies["two"]),
        )


def changed(bodies: dict[str, Any]) -> None:
    bodies["one"]["Resources"]["Stays"] = topic("another")


def added(bodies: dict[str, Any]) -> None:
    bodies["one"]["Resources"]["New"] = topic("new")


def gone(bodies: dict[str, Any]) -> None:
    del bodies["one"]["Resources"]["Stays"]


def parameter(bodies: dict[str, Any]) -> None:
    bodies["one"]["Parameters"] = {"P": {"Type": "String", "Default": "x"}}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (changed, "one/Stays would be changed"),
        (added, "one/New would be created or deleted"),
        (gone, "one/Stays would be created or deleted"),
        (parameter, "parameters, conditions or mappings"),
    ],
)
def test_more_than_a_move_is_refused(accounts, spoil, says: str):
    """A rename, with something else in the same template; nothing is done."""
    cloud = accounts()
    bodies = templates()
    bodies["one"]["Resources"]["Renamed"] = bodies["one"]["Resources"].pop("Topic")
    spoil(bodies)
    before = physical(cloud, "one")
    found = refactored(cloud, bodies, ("one/Topic", "one/Renamed"))
    assert (found["Status"], found["ExecutionStatus"]) == ("CREATE_FAILED", "UNAVAILABLE")
    assert says in found["StatusReason"]
    assert physical(cloud, "one") == before


def test_a_stack_policy_refuses_it(accounts):
    """A stack policy can never be removed again: such a stack is never refactored."""
    cloud = accounts()
    cloud.ask("cloudformation", "set_stack_policy", StackName="two", StackPolicyBody=POLICY)
    bodies = templates()
    bodies["two"]["Resources"]["Moved"] = bodies["one"]["Resources"].pop("Topic")
    found = refactored(cloud, bodies, ("one/Topic", "two/Moved"))
    assert found["StatusReason"] == "Stack two has a stack policy, and cannot be refactored"
    with pytest.raises(CloudError, match="does not exist"):
        refactored(cloud, {"three": bodies["two"]}, ("one/Topic", "three/Moved"))
