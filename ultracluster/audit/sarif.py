"""The audit as SARIF 2.1.0, for code scanning.

Source: OASIS Static Analysis Results Interchange Format 2.1.0, read 2026-11-24. A question that
a template leaves open is a result of kind `open`, which is neither pass nor fail.
"""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ultracluster.audit.report import Report
from ultracluster.audit.text import message
from ultracluster.rules.rule import Rule, address
from ultracluster.templates.resolved import Place

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}


def write(report: Report, *, show_unknown: bool) -> str:
    index = {name: number for number, name in enumerate(report.rules)}
    results: list[dict[str, Any]] = []
    open_ones = [(finding, None) for finding in report.findings]
    for finding, reason in (*open_ones, *report.acknowledged):
        text = f"{message(finding)} Fix: {finding.fix}"
        result: dict[str, Any] = {
            "ruleId": finding.rule,
            "ruleIndex": index[finding.rule],
            "level": LEVELS[report.severity(finding)],
            "message": {"text": text},
            "locations": [_location(finding.place)],
            "partialFingerprints": {
                "ultracluster/v1": _fingerprint(finding.rule, finding.place, finding.message)
            },
        }
        if reason is not None:
            result["suppressions"] = [{"kind": "inSource", "justification": reason}]
        results.append(result)
    if show_unknown:
        results.extend(
            {
                "ruleId": item.rule,
                "ruleIndex": index[item.rule],
                "kind": "open",
                "level": "none",
                "message": {"text": f"Cannot tell, because {item.because}."},
                "locations": [_location(item.place)],
            }
            for item in report.unknown
        )
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


def _fingerprint(rule: str, place: Place, message: str) -> str:
    written = f"{rule}\n{place.stack}\n{place.logical_id}\n{message}"
    return hashlib.sha256(written.encode(errors="replace")).hexdigest()


def _version() -> str:
    try:
        return version("ultracluster")
    except PackageNotFoundError:
        return "0"
