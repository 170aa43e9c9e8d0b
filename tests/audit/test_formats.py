"""Every format of a report, over a report that is made by hand."""

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import jsonschema
import pytest
from rich.console import Console

from tests.audit.sarif_schema import SARIF
from ultracluster.audit import command, formats, text
from ultracluster.audit.report import Report
from ultracluster.rules.rule import CannotTell, Finding, Rule
from ultracluster.templates.resolved import Place, Template


def rule(name, severity):
    return Rule(
        id=name,
        level=severity,
        what=f"What {name} is <about> & more.",
        why="It breaks.",
        source="a thread, read today",
        fix="write 250",
        check="aws ec2 describe-x --filters Name=a,Values=b",
        subjects=lambda _: (),
        judges=(),
    )


PLACE = Place("net", "Vpc", "in a dir/net.yaml", 7, "dev/Net/Vpc")
ELSEWHERE = Place("net", "Subnet", None, None, None)


@pytest.fixture
def report():
    rules = {
        one.id: one for one in (rule("A-1", "error"), rule("A-2", "info"), rule("B-1", "info"))
    }
    return Report(
        rules,
        [Template("net", {}, "in a dir/net.yaml"), Template("other", {})],
        "error",
        findings=[
            Finding("A-1", PLACE, "got \x0b300 [bold]", "write 250", {"net/Prod": True}),
            Finding("A-2", ELSEWHERE, "hm", "nothing"),
        ],
        unknown=[CannotTell("B-1", ELSEWHERE, "parameter P has no default")],
        notes=["5 open questions"],
        resources=2,
    )


def test_severities_are_ordered(report):
    """A warning does not fail an audit for errors, and does one for infos."""
    report.findings = report.findings[1:]
    failing = {}
    for threshold in command.FAIL_ON:
        report.threshold = threshold
        failing[threshold] = report.failed
    assert failing == {"error": False, "warning": False, "info": True, "never": False}


@pytest.mark.parametrize("write", [text.text, text.table])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_people_see_everything_and_nothing_that_is_copied_is_broken(report, write, width):
    """What, why, the fix, the check by hand, and where; markup in a template is only text."""
    file = io.StringIO()
    report.findings[0] = replace(report.findings[0], message="got 300 [bold]")
    write(report, Console(file=file, width=width), show_unknown=True)
    written = file.getvalue()

    for part in (
        "in a dir/net.yaml:7", "Vpc", "dev/Net/Vpc", "A-1", "300 [bold]", "why: It breaks.",
        "source: a thread, read today", "fix: write 250",
        "check: aws ec2 describe-x --filters Name=a,Values=b\n", "net/Prod is true",
        "net: unknown B-1 Subnet: cannot tell, because parameter P has no default",
        "Note: 5 open questions.", "2 templates, 2 resources, 3 rules: 1 error, 0 warnings, 1 info",
    ):  # fmt: skip
        assert part in written


def test_json_has_all_of_it(report):
    """The questions are there only when asked for, their number always."""
    document = json.loads(formats.machine(report, show_unknown=False))

    assert document["summary"] == {
        "templates": 2,
        "resources": 2,
        "findings": {"error": 1, "warning": 0, "info": 1},
        "acknowledged": 0,
        "cannot_tell": 1,
        "fail_on": "error",
        "failed": True,
    }
    assert document["findings"][0]["place"] == {
        "stack": "net",
        "logical_id": "Vpc",
        "file": "in a dir/net.yaml",
        "line": 7,
        "construct_path": "dev/Net/Vpc",
    }
    assert "cannot_tell" not in document
    shown = json.loads(formats.machine(report, show_unknown=True))
    assert shown["cannot_tell"][0]["because"] == "parameter P has no default"


def test_sarif_has_the_structure_of_the_standard(report):
    """Code scanning refuses a file that has not, and shows nothing of it."""
    document = json.loads(formats.sarif(report, show_unknown=True))
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    first, second, third = run["results"]

    assert (first["level"], second["level"], third["level"]) == ("error", "note", "none")
    assert third["kind"] == "open"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "in%20a%20dir/net.yaml"},
        "region": {"startLine": 7},
    }
    assert "physicalLocation" not in second["locations"][0]
    assert "net/Prod is true" in first["message"]["text"]
    assert run["tool"]["driver"]["rules"][0]["helpUri"] == "docs/rules.md#a-1"
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert len(json.loads(formats.sarif(report, show_unknown=False))["runs"][0]["results"]) == 2


def test_a_fingerprint_outlives_an_edit_above_it(report):
    """Otherwise code scanning would report old faults as new ones."""

    def fingerprint():
        result = json.loads(formats.sarif(report, show_unknown=False))["runs"][0]["results"][0]
        return result["partialFingerprints"]

    before = fingerprint()
    moved = Place("net", "Vpc", "in a dir/net.yaml", 99, "dev/Net/Vpc")
    report.findings[0] = Finding("A-1", moved, "got \x0b300 [bold]", "write 250")
    assert fingerprint() == before


def test_junit_counts_a_case_once(report):
    """A case fails, is skipped where a rule cannot tell, or passes; never two of them."""
    root = ET.fromstring(formats.junit(report, show_unknown=True))  # noqa: S314  (our own text)
    net, other = root

    assert {key: net.get(key) for key in ("tests", "failures", "skipped", "errors")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
    }
    cases = {case.get("name"): [child.tag for child in case] for case in net}
    assert cases == {"A-1": ["failure"], "A-2": ["system-out"], "B-1": ["skipped"]}
    failure, text = net[0][0], net[0][0].text or ""
    assert failure.get("message") == "got \ufffd300 [bold]"
    assert "in a dir/net.yaml:7 Vpc (dev/Net/Vpc)" in text
    assert "only where net/Prod is true" in text
    assert net[2][0].text == "Subnet: parameter P has no default"
    assert (other.get("tests"), other.get("failures"), other.get("skipped")) == ("3", "0", "0")
