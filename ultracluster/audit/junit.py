"""The audit as JUnit XML: a suite for each template, a case for each rule."""

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from typing import Final

from ultracluster.audit.report import Report
from ultracluster.audit.text import message, subject, where
from ultracluster.rules.rule import CannotTell, Finding

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(report: Report, *, show_unknown: bool) -> str:
    """Return the report as JUnit XML.

    A finding fails its case where it fails the audit, and is output of it otherwise. A case of
    which a rule cannot tell is skipped, so that it counts neither as passed nor as failed.
    """
    findings: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    unknown: defaultdict[tuple[str, str], list[CannotTell]] = defaultdict(list)
    for finding in report.findings:
        findings[finding.place.stack, finding.rule].append(finding)
    for item in report.unknown:
        unknown[item.place.stack, item.rule].append(item)
    root = ET.Element("testsuites", name="ultracluster audit")
    for template in report.templates:
        suite = ET.SubElement(root, "testsuite", name=_clean(template.file or template.name))
        failures = skipped = 0
        for rule in report.rules.values():
            key = (template.name, rule.id)
            case = ET.SubElement(suite, "testcase", classname=_clean(template.name), name=rule.id)
            failing = [finding for finding in findings[key] if report.fails(finding)]
            for finding in failing:
                _add(case, "failure", finding.message, _text(finding), rule.severity)
            if failing:
                failures += 1
            elif unknown[key]:
                skipped += 1
                because = [item.because for item in unknown[key]]
                reasons = _open(unknown[key]) if show_unknown else ""
                _add(case, "skipped", f"cannot tell, because {because[0]}", reasons)
            others = [finding for finding in findings[key] if not report.fails(finding)]
            if others:
                ET.SubElement(case, "system-out").text = _clean("\n\n".join(map(_text, others)))
        suite.set("tests", str(len(report.rules)))
        suite.set("failures", str(failures))
        suite.set("errors", "0")
        suite.set("skipped", str(skipped))
    for said in report.not_judged:
        _not_judged(root, said)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _not_judged(root: ET.Element, said: str) -> None:
    suite = ET.SubElement(root, "testsuite", name=_clean(said.partition(": ")[0]))
    _add(ET.SubElement(suite, "testcase", name="read"), "error", said, "")
    for name, count in (("tests", 1), ("failures", 0), ("errors", 1), ("skipped", 0)):
        suite.set(name, str(count))


def _add(case: ET.Element, kind: str, message: str, text: str, severity: str | None = None) -> None:
    element = ET.SubElement(case, kind, message=_clean(message))
    if severity is not None:
        element.set("type", severity)
    element.text = _clean(text)


def _text(finding: Finding) -> str:
    place = finding.place
    return f"{where(place)} {subject(place)}\n{message(finding)}\nfix: {finding.fix}"


def _open(items: list[CannotTell]) -> str:
    return "\n".join(f"{item.place.logical_id}: {item.because}" for item in items)


def _clean(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
