"""Failures on purpose."""

import pytest

PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "one"}}


@pytest.fixture(autouse=True)
def no_more_faults(cloud):
    """Leave no rule behind for other tests."""
    yield
    cloud.set_faults()


def test_a_failed_creation_succeeds_at_the_second_attempt(cloud):
    """Capacity that comes back: the stack is deleted, deployed again, and complete."""
    cloud.set_faults(
        {
            "type": "AWS::SSM::Parameter",
            "operation": "create",
            "logical_id": "^Second",
            "message": "Insufficient capacity",
            "times": 1,
        }
    )
    resources = {"First": PARAMETER, "Second": {**PARAMETER, "DependsOn": "First"}}

    stack = cloud.deploy(resources)
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "Second: Insufficient capacity" in stack.reasons()
    stack.delete()

    assert cloud.deploy(resources, name=stack.name).status == "CREATE_COMPLETE"


def test_a_failed_update_leaves_the_stack_as_it_was(cloud):
    """An update that fails half-way is the case that nobody rehearses."""
    stack = cloud.deploy({"First": PARAMETER})
    changed = {**PARAMETER, "Properties": {"Type": "String", "Value": "two"}}
    cloud.set_faults({"operation": "update", "message": "Throttling: Rate exceeded"})

    stack.update({"First": changed})

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    value = cloud.client("ssm").get_parameter(Name=stack.physical_id("First"))
    assert value["Parameter"]["Value"] == "one"


def test_a_failed_deletion_can_be_repeated(cloud):
    """Interfaces that linger make a delete fail once and succeed later."""
    stack = cloud.deploy({"First": PARAMETER})
    cloud.set_faults({"operation": "delete", "message": "still in use", "times": 1})

    assert stack.delete() == "DELETE_FAILED"
    assert "First: still in use" in stack.reasons("DELETE_FAILED")
    assert stack.delete() == "DELETE_COMPLETE"
