"""Audit reports for programs: JSON, SARIF 2.1.0 for code scanning, and JUnit XML.

Source: OASIS Static Analysis Results Interchange Format 2.1.0, read 2026-11-24. A question that
a template leaves open is a result of kind `open`, which is neither pass nor fail. JUnit has a suite
for each template and a case for each rule.
"""

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ultracluster.audit.report import Report
from ultracluster.audit.text import message, subject, where
from ultracluster.rules.rule import CannotTell, Finding, Rule, address
from ultracluster.templates.resolved import Place

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def machine(report: Report, *, show_unknown: bool) -> str:
    """Return the report as JSON; the schema's number changes when a key changes its meaning."""
    document = {
        "schema": 1,
        "summary": {
            "templates": len(report.templates),
            "resources": report.resources,
            "findings": report.counts(),
            "acknowledged": len(report.acknowledged),
            "cannot_tell": len(report.unknown),
            "fail_on": report.threshold,
            "failed": report.failed,
        },
        "notes": report.notes,
        "defaults": report.defaults,
        "not_judged": report.not_judged,
        "findings": [
            {
                **_placed(finding),
                **_said(report.rules[finding.rule]),
                "severity": report.severity(finding),
                "message": finding.message,
                "fix": finding.fix,
                "only_if": dict(finding.choices),
            }
            for finding in report.findings
        ],
        "acknowledged": [
            {**_placed(finding), "message": finding.message, "reason": reason}
            for finding, reason in report.acknowledged
        ],
    }
    if show_unknown:
        found = [{**_placed(item), "because": item.because} for item in report.unknown]
        document["cannot_tell"] = found
    return json.dumps(document, indent=2)


def _placed(item: Finding | CannotTell) -> dict[str, Any]:
    return {"rule": item.rule, "place": asdict(item.place)}


def _said(rule: Rule) -> dict[str, str]:
    return {name: getattr(rule, name) for name in ("what", "why", "check", "source")}


def sarif(report: Report, *, show_unknown: bool) -> str:
    index = {name: number for number, name in enumerate(report.rules)}

    def result(item: Finding | CannotTell, level: str, text: str) -> dict[str, Any]:
        return {
            "ruleId": item.rule,
            "ruleIndex": index[item.rule],
            "level": level,
            "message": {"text": text},
            "locations": [_location(item.place)],
        }

    results: list[dict[str, Any]] = []
    open_ones = [(finding, None) for finding in report.findings]
    for finding, reason in (*open_ones, *report.acknowledged):
        text = f"{message(finding)} Fix: {finding.fix}"
        found = result(finding, LEVELS[report.severity(finding)], text)
        place = finding.place
        named = f"{finding.rule}\n{place.stack}\n{place.logical_id}\n{finding.message}"
        fingerprint = hashlib.sha256(named.encode(errors="replace")).hexdigest()
        found["partialFingerprints"] = {"ultracluster/v1": fingerprint}
        if reason is not None:
            found["suppressions"] = [{"kind": "inSource", "justification": reason}]
        results.append(found)
    for item in report.unknown if show_unknown else ():
        text = f"Cannot tell, because {item.because}."
        results.append({**result(item, "none", text), "kind": "open"})
    driver = {
        "name": "ultracluster audit",
        "version": _version(),
        "rules": [_rule(rule) for rule in report.rules.values()],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": level, "message": {"text": said}}
                    for level, lines in (("error", report.not_judged), ("note", report.notes))
                    for said in lines
                ],
            }
        ],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "helpUri": address(rule.id),
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": f"{rule.why} ({rule.source})"},
        "help": {"text": f"Fix: {rule.fix}\nCheck: {rule.check}"},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
    }


def _location(place: Place) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [
            {
                "name": place.logical_id,
                "fullyQualifiedName": place.path,
                "kind": "resource",
            }
        ]
    }
    if place.file is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file, Path.cwd())}}
        if place.line is not None:
            physical["region"] = {"startLine": place.line}
        location["physicalLocation"] = physical
    return location


@cache
def _uri(file: str, here: Path) -> str:
    """Return a file as code scanning wants it: relative to where the audit ran, if within."""
    path = (here / file).resolve()
    if path.is_relative_to(here):
        # Quoted as a URI, without the scheme that as_uri() needs an absolute path for.
        return path.as_uri().removeprefix(here.as_uri()).lstrip("/")
    return path.as_uri()


def _version() -> str:
    try:
        return version("ultracluster")
    except PackageNotFoundError:
        return "0"


def junit(report: Report, *, show_unknown: bool) -> str:
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
                because = f"cannot tell, because {unknown[key][0].because}"
                reasons = [f"{each.place.logical_id}: {each.because}" for each in unknown[key]]
                _add(case, "skipped", because, "\n".join(reasons) if show_unknown else "")
            others = [finding for finding in findings[key] if not report.fails(finding)]
            if others:
                ET.SubElement(case, "system-out").text = _clean("\n\n".join(map(_text, others)))
        _count(suite, tests=len(report.rules), failures=failures, errors=0, skipped=skipped)
    for said in report.not_judged:
        suite = ET.SubElement(root, "testsuite", name=_clean(said.partition(": ")[0]))
        _add(ET.SubElement(suite, "testcase", name="read"), "error", said, "")
        _count(suite, tests=1, failures=0, errors=1, skipped=0)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _count(suite: ET.Element, **counts: int) -> None:
    for name, count in counts.items():
        suite.set(name, str(count))


def _add(case: ET.Element, kind: str, message: str, text: str, severity: str | None = None) -> None:
    element = ET.SubElement(case, kind, message=_clean(message))
    if severity is not None:
        element.set("type", severity)
    element.text = _clean(text)


def _text(finding: Finding) -> str:
    place = finding.place
    return f"{where(place)} {subject(place)}\n{message(finding)}\nfix: {finding.fix}"


def _clean(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
