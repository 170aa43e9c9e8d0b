"""The fabric rules as a check of a preflight: over templates that a child makes meanwhile."""

from pathlib import Path
from typing import NoReturn

import app
from tests.preflight.account import Answering
from tests.preflight.specs import GIVEN, MADE, NOW
from ultracluster.audit.report import Report
from ultracluster.audit.report import judged as rules_of
from ultracluster.input_files import Sources
from ultracluster.preflight.fabric_rules import ANSWERED_BY, judged
from ultracluster.preflight.finding import Finding, Verdict
from ultracluster.preflight.preflight import preflight
from ultracluster.rules.engine import RULES
from ultracluster.rules.rule import CannotTell
from ultracluster.rules.rule import Finding as Found
from ultracluster.synthesis import SynthesisError
from ultracluster.templates.resolved import Place


def test_what_templates_leave_open_is_left_to_the_account(tmp_path: Path):
    """Of a network that is there a template names ids alone; no question of it is dropped."""
    app.build([GIVEN], outdir=str(tmp_path)).synth()
    report = rules_of(Sources([str(tmp_path)]), {}, GIVEN.region, "error")

    found = list(judged(report))
    open_ones = {unknown.rule for unknown in report.unknown}
    assert {"FABRIC-17", "CAPACITY-5", "CAPACITY-14"} <= open_ones
    assert open_ones <= set(ANSWERED_BY)
    assert [f.subject for f in found if f.verdict is Verdict.FAIL] == []
    told = {f.found.rpartition("; ")[2] for f in found if f.verdict is Verdict.SKIP}
    assert told == {f"{ANSWERED_BY[rule]} asks the account" for rule in open_ones}


def test_an_environment_that_cannot_be_synthesized_is_skipped_with_the_reason():
    """The account is looked at all the same."""

    def report() -> NoReturn:
        raise SynthesisError("nobodys: it cannot be synthesized: no such environment")

    found = preflight(MADE, Answering(), NOW, templates=report)

    (skipped,) = next(r.findings for r in found.results if r.check.name == "fabric-rules")
    assert skipped.verdict is Verdict.SKIP
    assert "nobodys: it cannot be synthesized: no such environment" in skipped.found
    assert len(found.having(Verdict.PASS)) > 20


PLACE = Place("made-Network", "Vpc")
ERROR, REMARK = "FABRIC-1", next(name for name, r in RULES.items() if r.severity != "error")
CANNOT = next(name for name in RULES if name not in ANSWERED_BY)


def found(*findings: Found, unknown: tuple[CannotTell, ...] = ()) -> list[Finding]:
    return list(judged(Report(RULES, (), "error", findings=list(findings), unknown=list(unknown))))


def test_an_error_fails_and_a_remark_does_not():
    """Both are told with what to do; without an error the templates pass."""
    (wrong,) = found(Found(ERROR, PLACE, "it is wrong", "mend it"))
    assert (wrong.verdict, wrong.found, wrong.fix) == (Verdict.FAIL, "it is wrong", "mend it")

    remark, well = found(Found(REMARK, PLACE, "it is dear", "mend it"))
    assert [each.verdict for each in (remark, well)] == [Verdict.PASS, Verdict.PASS]
    assert "it is dear; mend it" in remark.found
    assert (well.subject, "find no error" in well.found) == ("templates", True)


def test_what_no_check_answers_is_looked_at_by_hand():
    """What one answers names it, together with the other rules that it answers."""
    rules = [name for name, check in ANSWERED_BY.items() if check == "subnet-place"]
    unknown = tuple(CannotTell(name, PLACE, "the subnet is given") for name in (CANNOT, *rules))

    by_hand, answered, _ = found(unknown=unknown)

    assert (by_hand.verdict, by_hand.fix) == (Verdict.SKIP, "look by hand")
    assert by_hand.by_hand == RULES[CANNOT].check
    assert set(answered.subject.split(", ")) == set(rules)
    assert answered.found.endswith("subnet-place asks the account")


def test_without_templates_nothing_is_judged():
    """Nobody made any."""
    (skipped,) = preflight(MADE, Answering(), NOW, only=["fabric-rules"]).results[0].findings

    assert (skipped.verdict, "no template" in skipped.found) == (Verdict.SKIP, True)
