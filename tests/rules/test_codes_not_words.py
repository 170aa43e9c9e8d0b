"""Rules ask the catalogue for codes: whoever rewords a message switches no rule off."""

import pytest

from tests.rules.rule_cases import Case, said, verdict
from tests.rules.test_rules_both_ways import CASES, named
from ultracluster.catalogue.instances import UnknownInstanceTypeError
from ultracluster.problem import Problem
from ultracluster.rules.rule import MOST_LATE, first_of


@pytest.fixture
def reworded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sentence of the catalogue is another one."""
    made = Problem.__init__

    def other_words(self: Problem, field: str, got: object, _fix: str, **more: str) -> None:
        made(self, field, got, "please correct this value", **more)

    monkeypatch.setattr(Problem, "__init__", other_words)
    monkeypatch.setattr(UnknownInstanceTypeError, "__str__", lambda _: "please correct this type")


@pytest.mark.usefixtures("reworded")
@pytest.mark.parametrize("case", CASES, ids=named)
def test_other_words_switch_no_rule_off(case: Case):
    """The fault is found, and the nearest right thing still passes."""
    failing = verdict(case.failing(), region=case.region, protected=case.protected)
    passing = verdict(case.passing(), region=case.region, protected=case.protected)

    assert case.rule in said(failing)
    assert case.rule not in said(passing)
    assert case.rule not in {unknown.rule for unknown in passing.unknown}


def test_a_message_names_the_first_twenty_and_says_that_there_are_more():
    """A template of thousands has one message of one line."""
    names = [f"Bucket{number}" for number in range(MOST_LATE + 1)]

    assert first_of(names) == [*names[:-1], "..."]
    assert first_of(names[:-1]) == names[:-1]
