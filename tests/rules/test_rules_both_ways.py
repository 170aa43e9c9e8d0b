"""Every rule by its fixtures: it finds what it names, and lets the nearest right thing pass."""

import pytest

from tests.rules.cases_capacity import CAPACITY
from tests.rules.cases_fabric import FABRIC
from tests.rules.cases_lustre import LUSTRE_CASES
from tests.rules.cases_operate import OPERATE
from tests.rules.cases_policies import POLICIES
from tests.rules.cases_queues import QUEUES
from tests.rules.cases_routes import ROUTES
from tests.rules.cases_safety import SAFETY
from tests.rules.cases_services import SAGEMAKER, SLURM
from tests.rules.cases_variables import VARIABLES
from tests.rules.rule_cases import BASES, Case, changed, said, verdict
from ultracluster.rules.engine import FAMILIES, RULES

CASES = (
    *(*FABRIC, *ROUTES, *VARIABLES, *CAPACITY, *LUSTRE_CASES),
    *(*SAGEMAKER, *SLURM, *QUEUES, *SAFETY, *POLICIES, *OPERATE),
)


def named(case: Case) -> str:
    return f"{case.rule} on {case.base}"


@pytest.mark.parametrize("base", BASES)
def test_a_good_template_has_no_finding_and_leaves_nothing_open(base: str):
    """What fixtures change must be right before it is changed."""
    judged = verdict(changed(BASES[base], {}))

    assert judged.findings == ()
    assert judged.unknown == ()


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_rule_finds_its_fault(case: Case):
    """The message has the value as it was given, and the fix says what to write."""
    judged = verdict(case.failing(), region=case.region, protected=case.protected)
    found = [f for f in judged.findings if f.rule == case.rule]

    assert found
    assert case.words in "; ".join(f.message for f in found)
    assert all(f.fix for f in found)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_rule_lets_the_nearest_right_thing_pass(case: Case):
    """A false alarm is a defect just like a miss, and so is an evasion."""
    judged = verdict(case.passing(), region=case.region, protected=case.protected)

    assert case.rule not in said(judged)
    assert case.rule not in {unknown.rule for unknown in judged.unknown}


def test_every_rule_has_its_fixtures():
    """A rule that nothing provokes may never have worked."""
    assert {case.rule for case in CASES} == set(RULES)


def test_every_rule_is_reachable():
    """A rule outside of the families would be asked by nobody."""
    assert {name.rpartition("-")[0] for name in RULES} == set(FAMILIES)
    assert len(RULES) >= 45


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_says_everything_that_a_person_needs(rule):
    """What, why, where from, what to write and how to look by hand."""
    for sentence in (rule.what, rule.why):
        assert len(sentence) > 20
        assert sentence.endswith(".")
        assert ". " not in sentence.replace("e.g. ", "")
    for words in (rule.source, rule.fix, rule.check):
        assert len(words) > 5
    assert rule.acknowledgeable or rule.severity == "error"
