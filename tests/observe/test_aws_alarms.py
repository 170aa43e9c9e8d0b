"""Each alarm on AWS's own metrics fires by its fault, by no other, and is silent in a calm hour.

CloudWatch is stood in for, and what AWS sends is what its guides say (tests/observe/aws.py).
"""

import pytest

from tests.observe.aws import FAULT_AFTER, FAULTS, HOUR, IDLE, cloudwatch, events
from ultracluster.catalogue.alarms import service_alarms


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_its_alarm_and_by_no_other(name: str):
    planted = FAULTS[name]
    watch = cloudwatch()

    told = {alarm: watch.fires(alarm, events(planted), HOUR) for alarm in watch.alarms}
    fired = {alarm: seconds for alarm, seconds in told.items() if seconds is not None}

    assert fired.keys() == {planted.alarm}
    assert fired[planted.alarm] > FAULT_AFTER


def test_a_calm_hour_is_silent():
    watch = cloudwatch()

    assert {watch.fires(alarm, events(), HOUR) for alarm in watch.alarms} == {None}


def test_every_alarm_has_its_fault():
    """One without is an alarm of which nobody knows whether it fires."""
    assert {planted.alarm for planted in FAULTS.values()} == {*service_alarms(), IDLE}
    assert cloudwatch().alarms.keys() == {*service_alarms(), IDLE}
