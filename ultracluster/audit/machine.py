"""The audit as JSON, for programs."""

import json
from dataclasses import asdict

from ultracluster.audit.report import Report


def write(report: Report, *, show_unknown: bool) -> str:
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
                "rule": finding.rule,
                "severity": report.severity(finding),
                "what": report.rules[finding.rule].what,
                "message": finding.message,
                "why": report.rules[finding.rule].why,
                "fix": finding.fix,
                "check": report.rules[finding.rule].check,
                "source": report.rules[finding.rule].source,
                "place": asdict(finding.place),
                "only_if": dict(finding.choices),
            }
            for finding in report.findings
        ],
    }
    document["acknowledged"] = [
        {
            "rule": finding.rule,
            "message": finding.message,
            "place": asdict(finding.place),
            "reason": reason,
        }
        for finding, reason in report.acknowledged
    ]
    if show_unknown:
        document["cannot_tell"] = [
            {"rule": item.rule, "place": asdict(item.place), "because": item.because}
            for item in report.unknown
        ]
    return json.dumps(document, indent=2)
