"""Every rule behind every front door: the CDK plugin, the audit, and the preflight."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

import aws_cdk as cdk
import pytest

from constructs_lib.ultracluster_rules import UltraClusterRules
from tests.preflight.account import Answering
from tests.preflight.specs import MADE, NOW
from tests.rules.rule_cases import Case
from tests.rules.test_rules_both_ways import CASES
from ultracluster.audit.report import Report, judged
from ultracluster.input_files import Sources
from ultracluster.preflight.fabric_rules import ANSWERED_BY
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import NAMES, preflight
from ultracluster.rules.engine import RULES

PROVOKED: Final = {case.rule: case for case in CASES}


@pytest.fixture(scope="module")
def app() -> cdk.App:
    """An app with nothing in it, as the plugin looks above stacks for acknowledgements."""
    return cdk.App(analytics_reporting=False)


@pytest.fixture(params=list(PROVOKED.values()), ids=list(PROVOKED))
def case(request: pytest.FixtureRequest) -> Case:
    """A fault for each rule."""
    return cast("Case", request.param)


@pytest.fixture
def template(case: Case, tmp_path: Path) -> Path:
    """The template with the fault, as a file."""
    path = tmp_path / "faulty.template.json"
    path.write_text(json.dumps(case.failing()))
    protected = {} if case.protected is None else {"terminationProtection": case.protected}
    stack = {"templateFile": path.name, **protected}
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": f"aws://unknown-account/{case.region}",
        "properties": stack,
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Stack": artifact}}))
    return path


def audited(case: Case, template: Path) -> Report:
    # Only an assembly says how a stack is protected.
    given = template if case.protected is None else template.parent
    return judged(Sources([str(given)]), {}, case.region, "error")


def test_every_rule_is_reachable_by_the_audit(case: Case, template: Path):
    """What a template's owner sees who never heard of CDK."""
    assert case.rule in {finding.rule for finding in audited(case, template).findings}


def test_every_rule_is_reachable_by_the_plugin(case: Case, template: Path, app: cdk.App):
    """Under its severity, or as fatal where CDK must let nobody acknowledge it."""
    stack = SimpleNamespace(
        template_path=str(template),
        stack_construct_path="Stack",
        region=case.region,
        account_id=None,
    )
    context = SimpleNamespace(app_construct=app, stack_templates=[stack])

    report = UltraClusterRules().validate(cast("cdk.IPolicyValidationContext", context))

    rule = RULES[case.rule]
    severities = {v.severity for v in report.violations if v.rule_name == case.rule}
    assert severities == {rule.severity if rule.acknowledgeable else "fatal"}
    assert report.success is (not any(v.severity in ("error", "fatal") for v in report.violations))


def test_every_rule_is_reachable_by_the_preflight(case: Case, template: Path):
    """Errors fail; what is no error is told all the same, just before money is spent."""
    report = audited(case, template)

    found = preflight(MADE, Answering(), NOW, only=["fabric-rules"], templates=lambda: report)

    (result,) = found.results
    about = [f for f in result.findings if f.subject.startswith(f"{case.rule} at ")]
    expected = Verdict.FAIL if RULES[case.rule].severity == "error" else Verdict.PASS
    assert {f.verdict for f in about} == {expected}
    assert all(f.by_hand == RULES[case.rule].check for f in about)


def test_every_rule_has_a_fault_and_a_door():
    """No rule that is not asked, none that is not provoked; the plugin names all of them."""
    assert set(PROVOKED) == set(RULES)
    assert set(RULES) <= set(UltraClusterRules().rule_ids)


def test_what_a_template_cannot_tell_a_check_of_the_account_answers():
    """The table names rules and checks that there are."""
    assert set(ANSWERED_BY) <= set(RULES)
    assert set(ANSWERED_BY.values()) <= set(NAMES)
