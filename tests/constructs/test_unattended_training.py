"""The state machine that runs training jobs unattended."""

import json
from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.unattended_training import UnattendedTraining, definition
from tests.constructs.bare import (
    Surroundings,
    bare_stack,
    listed,
    only,
    resources,
    statements,
    text,
)

MACHINE = "AWS::StepFunctions::StateMachine"


@pytest.fixture(scope="session")
def stack() -> cdk.Stack:
    made = bare_stack()
    around = Surroundings(made)
    UnattendedTraining(
        made,
        "It",
        execution_role=around.role,
        subnets=around.subnets,
        security_groups=around.groups,
        log_key=around.key,
        keep=False,
    )
    return made


def test_it_starts_jobs_of_the_environment_only(stack: cdk.Stack):
    """Whoever may start the state machine can start no more than its role can."""
    found = statements(stack)

    assert found["StartJobs"]["Condition"]["ForAllValues:StringEquals"] == {
        "sagemaker:VpcSubnets": ["subnet-aaaaaaaa", "subnet-bbbbbbbb"],
        "sagemaker:VpcSecurityGroupIds": ["sg-aaaaaaaa", "sg-bbbbbbbb"],
    }
    passing = [s for s in found.values() if "iam:PassRole" in listed(s["Action"])]
    (statement,) = passing
    assert text(statement["Resource"]).endswith(':123456789012:role/Somebodys"]]}')
    assert [a for s in found.values() for a in listed(s["Action"]) if "*" in a] == []


def test_only_step_functions_of_the_same_account_assumes_its_role(stack: cdk.Stack):
    """A service that acts for anybody must not act for others here."""
    trust = only(stack, "AWS::IAM::Role")["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]

    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert ":stateMachine:*" in text(trust["Condition"]["ArnLike"]["aws:SourceArn"])


def test_everything_is_logged_under_a_key_and_traced(stack: cdk.Stack):
    """Nobody watches, so that afterwards somebody must be able to see."""
    properties = only(stack, MACHINE)["Properties"]

    assert properties["LoggingConfiguration"]["Level"] == "ALL"
    assert properties["LoggingConfiguration"]["IncludeExecutionData"] is True
    assert properties["TracingConfiguration"] == {"Enabled": True}
    group = only(stack, "AWS::Logs::LogGroup")["Properties"]
    assert "KmsKeyId" in group
    assert text(group["LogGroupName"]).startswith('{"Fn::Join": ["", ["/aws/vendedlogs/states/')


def test_it_is_made_after_its_permissions(stack: cdk.Stack):
    """Step Functions refuses a role that may not write to the log yet."""
    policies = set(resources(stack, "AWS::IAM::ManagedPolicy"))

    assert policies <= set(only(stack, MACHINE)["DependsOn"])


def test_the_integration_has_the_stacks_own_partition(stack: cdk.Stack):
    """An ARN of another partition is refused in China and GovCloud."""
    properties = only(stack, MACHINE)["Properties"]

    (resource,) = properties["DefinitionSubstitutions"].values()
    assert {"Ref": "AWS::Partition"} in resource["Fn::Join"][1]
    assert resource["Fn::Join"][1][-1] == ":states:::sagemaker:createTrainingJob.sync"
    (name,) = properties["DefinitionSubstitutions"]
    states = json.loads(properties["DefinitionString"])["States"]
    assert states["Train"]["Resource"] == f"${{{name}}}"


def next_of(state: dict[str, Any]) -> set[str]:
    """Return where a state leads to."""
    found = {state.get("Next"), state.get("Default")}
    found |= {each["Next"] for part in ("Catch", "Choices") for each in state.get(part, ())}
    return {name for name in found if name}


def test_every_state_is_there_and_is_reached():
    """A name that leads nowhere would be refused at deployment."""
    machine = definition()
    states = machine["States"]

    led_to = {machine["StartAt"]} | {name for state in states.values() for name in next_of(state)}
    assert led_to == set(states)
    ends = [n for n, s in states.items() if s.get("End") or s["Type"] == "Fail"]
    assert sorted(ends) == ["Failed", "Train"]


def test_only_a_lack_of_capacity_is_tried_again():
    """A program's own failure is not repeated on billed GPUs."""
    states = definition()["States"]

    condition = states["NoCapacity"]["Choices"][0]["Condition"]
    assert "/CapacityError|InsufficientInstanceCapacity|InsufficientCapacity/" in condition
    assert "$attempt <= 99" in condition
    assert states["NoCapacity"]["Default"] == "Failed"
    retried = [name for rule in states["Train"]["Retry"] for name in rule["ErrorEquals"]]
    assert retried == [
        "SageMaker.ResourceLimitExceededException",
        "SageMaker.AmazonSageMakerException",
    ]
    assert "3600" in states["Wait"]["Seconds"]
