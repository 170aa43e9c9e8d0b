"""Alarms on what AWS measures: their templates. tests/observe/test_aws_alarms.py sees them fire.

The patterns of the scaling log are read as CloudWatch Logs reads them, over records with the fields
that AWS documents (AWS PCS user guide, scaling logs, read 2026-11-26).
"""

import pytest

from tests.constructs.bare import bare_stack
from tests.observe.aws import TOPIC, made
from tests.observe.cloudwatch import matches
from ultracluster.catalogue.alarms import alarms, service_alarms


def test_each_alarm_tells_and_is_silent_without_data():
    """A NAT gateway that allocates ports, and a cluster that launches nothing, have no data."""
    found, _ = made(bare_stack())

    assert found.keys() == service_alarms().keys()
    for each in found.values():
        assert each["TreatMissingData"] == "notBreaching"
        assert each["AlarmActions"] == each["OKActions"] == [TOPIC]
        assert "docs/operate/alarms.md#" in each["AlarmDescription"]
        assert len(each["AlarmDescription"]) <= 1024


def test_no_name_is_used_twice():
    assert service_alarms().keys().isdisjoint(alarms())


def test_what_is_not_there_has_no_alarm():
    found, lines = made(bare_stack(), of={"FileSystemId": "fs-1"}, without=("nat-ports",))

    assert (list(found), lines) == (["lustre-throttled"], {})
    (asked,) = found["lustre-throttled"]["Metrics"]
    assert asked["Expression"].endswith("WHERE FileSystemId = 'fs-1'")


def test_an_alarm_on_lines_counts_those_of_its_own_environment():
    """Two environments of an account have clusters whose logs say the same."""
    found, lines = made(bare_stack())

    for name, each in lines.items():
        (counted,) = each["MetricTransformations"]
        assert counted["MetricNamespace"] == found[name]["Namespace"] == "UltraCluster/night"
        assert (found[name]["MetricName"], each["LogGroupName"]) == (name, "log")


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("LAUNCH_FAILED", "INSUFFICIENT_CAPACITY", "node-launch-failed"),
        ("LAUNCH_FAILED", "LAUNCH_ERROR", "node-launch-failed"),
        ("TERMINATED", "UNHEALTHY_NODE", "node-given-up"),
        ("TERMINATED", "BOOTSTRAP_FAILED", "node-given-up"),
        ("TERMINATED", "SCHEDULER_REQUESTED", None),
        ("TERMINATED", "REPLACEMENT_REQUESTED", None),
        ("PENDING_REPLACEMENT", "EC2_HEALTH_CHECK_FAILED", None),
        ("LAUNCHED", "SCHEDULER_REQUESTED", None),
        ("ACTIVE", "BOOTSTRAP_SUCCESS", None),
    ],
)
def test_a_record_of_the_scaling_log_is_counted_by_its_alarm_alone(status, reason, told):
    _, lines = made(bare_stack())
    record = {"status_code": status, "reason_code": reason}

    counted = {name for name, each in lines.items() if matches(each["FilterPattern"], record)}

    assert counted == ({told} if told else set())
