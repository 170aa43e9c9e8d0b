"""The audit for programs: JSON, and SARIF 2.1.0 for code scanning.

Source: OASIS Static Analysis Results Interchange Format 2.1.0, read 2026-11-24. A question that
a template leaves open is a result of kind `open`, which is neither pass nor fail.
"""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ultracluster.audit.report import Report
from ultracluster.audit.text import message
from ultracluster.rules.rule import CannotTell, Finding, Rule, address
from ultracluster.templates.resolved import Place

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}


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
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
        if place.line is not None:
            physical["region"] = {"startLine": place.line}
        location["physicalLocation"] = physical
    return location


def _uri(file: str) -> str:
    """Return a file as code scanning wants it: relative to where the audit ran, if within."""
    path = Path(file).resolve()
    here = Path.cwd()
    if path.is_relative_to(here):
        # Quoted as a URI, without the scheme that as_uri() needs an absolute path for.
        return path.as_uri().removeprefix(here.as_uri()).lstrip("/")
    return path.as_uri()


def _version() -> str:
    try:
        return version("ultracluster")
    except PackageNotFoundError:
        return "0"
