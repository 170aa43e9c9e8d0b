"""Every alarm fires by its fault, by no other, and is silent through an undisturbed hour."""

import pytest

from tests.observe.catalogue import PAGE, page
from tests.observe.faults import FAULTS
from tests.observe.hour import ALARMS, CALM, FAULT_AFTER, HOUR, Server, fires


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_its_alarm_and_by_no_other(server: Server, name: str):
    planted = FAULTS[name]
    length = FAULT_AFTER + planted.seconds

    told = {alarm: fires(server, alarm, name, length) for alarm in ALARMS}
    fired = {alarm for alarm, seconds in told.items() if seconds is not None}

    assert fired == set(planted.alarms)
    for alarm in planted.alarms:
        seconds = told[alarm]
        assert seconds is not None
        assert seconds >= FAULT_AFTER


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("alarm", ALARMS)
def test_an_undisturbed_hour_is_silent(server: Server, alarm: str):
    assert fires(server, alarm, CALM, HOUR) is None


def test_every_alarm_has_its_fault():
    """One without is an alarm of which nobody knows whether it fires."""
    told = {alarm for planted in FAULTS.values() for alarm in planted.alarms}

    assert set(ALARMS) == told


@pytest.mark.needs("prometheus")
def test_the_page_says_what_was_seen(server: Server):
    """`python -m tests.observe.catalogue` writes it."""
    assert page(server) == PAGE.read_text()
