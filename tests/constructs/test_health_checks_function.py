"""The function that sets PCS's health checks: how it waits, and what it answers CloudFormation."""

import importlib.util
import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from tests.repository import ROOT

CHECKS = {"healthMonitoring": {"mode": "STANDARD"}}
FILE = ROOT / "constructs_lib" / "functions" / "health_checks.py"


class Aws:
    """A PCS and a CloudFormation that answer what a test says, and no time that passes."""

    def __init__(self, statuses, stack="UPDATE_IN_PROGRESS", error=None):
        self.statuses, self.stack, self.error = statuses, stack, error
        self.updates, self.body, self.now, self.answer = 0, b"{}", 0.0, {}
        self.meta = SimpleNamespace(events=SimpleNamespace(register=self._register))

    def _register(self, name, handler):
        assert name == "before-call.pcs.UpdateComputeNodeGroup"
        self.add = handler

    def describe_stacks(self, **_):
        return {"Stacks": [{"StackStatus": self.stack}]}

    def get_compute_node_group(self, **_):
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "gone"}}, "Get")
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"computeNodeGroup": {"status": status}}

    def update_compute_node_group(self, **_):
        params = {"body": b'{"clusterIdentifier": "c"}'}
        self.add(params)
        self.updates, self.body = self.updates + 1, params["body"]

    def call(self, monkeypatch, kind="Update"):
        spec = importlib.util.spec_from_file_location("health_checks", FILE)
        assert spec is not None
        assert spec.loader is not None
        function = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(function)
        monkeypatch.setattr(function, "boto3", SimpleNamespace(client=lambda _: self))
        sleep = lambda seconds: setattr(self, "now", self.now + seconds)  # noqa: E731
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=sleep)
        monkeypatch.setattr(function, "time", clock)
        opened = lambda request, **_: setattr(self, "answer", json.loads(request.data))  # noqa: E731
        monkeypatch.setattr(function.urllib.request, "urlopen", opened)
        event = {"RequestType": kind, "ResponseURL": "https://answer", "StackId": "s"}
        event |= {"RequestId": "r", "LogicalResourceId": "l"}
        event["ResourceProperties"] = {"Cluster": "c", "Group": "g", "InstanceHealthChecks": CHECKS}
        left = lambda: 1000 * (900 - self.now)  # noqa: E731
        context = SimpleNamespace(get_remaining_time_in_millis=left)
        function.handler(event, context)
        return self.answer


def test_it_waits_for_the_group_before_and_after(monkeypatch):
    """CloudFormation's own update, or another one, may be under way: PCS would refuse."""
    aws = Aws(["UPDATING", "UPDATING", "ACTIVE", "UPDATING", "ACTIVE"])

    answer = aws.call(monkeypatch)

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "g")
    assert aws.updates == 1
    assert json.loads(aws.body) == {"clusterIdentifier": "c", "instanceHealthChecks": CHECKS}


def test_nobody_waits_for_the_jobs_whose_nodes_are_replaced_after_them(monkeypatch):
    aws = Aws([*["UPDATING"] * 80, "ACTIVE", "UPDATING"])

    assert aws.call(monkeypatch)["Status"] == "SUCCESS"
    assert aws.now < 900


@pytest.mark.parametrize(
    ("statuses", "updates", "says"),
    [
        (["UPDATING"], 0, "deploy again"),
        (["ACTIVE", "UPDATE_FAILED"], 1, "UPDATE_FAILED"),
    ],
    ids=["busy for ever", "fails"],
)
def test_a_group_that_does_not_take_them_fails_the_deployment(monkeypatch, statuses, updates, says):
    aws = Aws(statuses)

    answer = aws.call(monkeypatch)

    assert (answer["Status"], aws.updates) == ("FAILED", updates)
    assert says in answer["Reason"]
    assert aws.now < 900, "Lambda ends it then, and CloudFormation would hear nothing"


@pytest.mark.parametrize("stack", ["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_IN_PROGRESS"])
def test_checks_that_are_taken_away_are_turned_off(monkeypatch, stack):
    aws = Aws(["ACTIVE"], stack)

    assert aws.call(monkeypatch, "Delete")["Status"] == "SUCCESS"
    found = json.loads(aws.body)["instanceHealthChecks"]
    assert found["healthMonitoring"] == {"mode": "NONE"}
    assert found["deepHealthChecks"] == {"onStart": {"profile": "NONE"}}


@pytest.mark.parametrize(
    "aws",
    [
        Aws(["ACTIVE"], "DELETE_IN_PROGRESS"),
        Aws(["ACTIVE"], "ROLLBACK_IN_PROGRESS"),
        Aws([], error="ResourceNotFoundException"),
    ],
    ids=["stack ends", "rolled back", "group is gone"],
)
def test_a_group_that_goes_is_left_alone(monkeypatch, aws):
    assert aws.call(monkeypatch, "Delete")["Status"] == "SUCCESS"
    assert aws.updates == 0


def test_a_group_that_is_gone_when_checks_are_set_is_an_error(monkeypatch):
    answer = Aws([], error="ResourceNotFoundException").call(monkeypatch)

    assert answer["Status"] == "FAILED"
    assert "gone" in answer["Reason"]
