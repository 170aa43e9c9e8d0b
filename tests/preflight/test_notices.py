"""Preflight refuses an environment that tells nobody of money."""

import pytest

from tests.preflight.one import empty, finding
from tests.preflight.specs import MADE
from ultracluster.preflight.finding import Verdict


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("gpus@our-team.dev", Verdict.PASS),
        (f"arn:aws:sns:us-east-1:{1:012d}:alerts", Verdict.PASS),
        ("ultracluster@example.com", Verdict.FAIL),
        ("team@mail.example.org", Verdict.FAIL),
        ("team@EXAMPLE.NET", Verdict.FAIL),
        ("nobody@nowhere.invalid", Verdict.FAIL),
        ("me@notexample.com", Verdict.PASS),
    ],
)
def test_an_address_that_nobody_reads_is_a_fail(address: str, verdict: Verdict):
    """The environments of this repository name one, so that it has to be written once."""
    budget = MADE.budget.model_copy(update={"notify": (address,)})

    found = finding("notify-addresses", empty(), MADE.model_copy(update={"budget": budget}))

    assert found.verdict is verdict
    assert ("budget.notify" in found.fix) is (verdict is Verdict.FAIL)


def test_an_environment_without_addresses_says_what_to_do():
    """Where nothing is reserved a topic may be enough, once somebody subscribes."""
    budget = MADE.budget.model_copy(update={"notify": ()})

    found = finding("notify-addresses", empty(), MADE.model_copy(update={"budget": budget}))

    assert found.verdict is Verdict.SKIP
    assert "subscribe" in found.found
