"""The fabric rules as a check of a preflight: over templates that a child makes meanwhile."""

from pathlib import Path
from typing import NoReturn

import app
from tests.preflight.account import Answering
from tests.preflight.specs import GIVEN, MADE, NOW
from ultracluster.audit.report import judged as rules_of
from ultracluster.input_files import Sources
from ultracluster.preflight.fabric_rules import ANSWERED_BY, judged
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import preflight
from ultracluster.synthesis import SynthesisError


def test_what_templates_leave_open_is_left_to_the_account(tmp_path: Path):
    """Of a network that is there a template names ids alone; no question of it is dropped."""
    app.build([GIVEN], outdir=str(tmp_path)).synth()
    report = rules_of(Sources([str(tmp_path)]), {}, GIVEN.region, "error")

    found = list(judged(report))
    open_ones = {unknown.rule for unknown in report.unknown}
    assert {"FABRIC-17", "CAPACITY-5", "CAPACITY-14", "CAPACITY-15"} <= open_ones
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
