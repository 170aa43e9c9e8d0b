"""Every rule over every group of templates."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.audit.report import Report
from ultracluster.input_files import Sources
from ultracluster.rules.acknowledgements import excuse
from ultracluster.rules.engine import FORBIDDEN, RULES, judge

MOST_NAMED: Final = 12
"""Defaults that a note names."""
LONGEST: Final = 40


def judged(
    sources: Sources, parameters: Mapping[str, str], region: str | None, threshold: str
) -> Report:
    """Return what all rules have to say about templates."""
    report = Report(RULES, sources.templates, threshold)
    report.not_judged = [*sources.errors, *sources.not_judged]
    acknowledged = sources.acknowledged()
    for group in sources.resolved(parameters, region, every_value=True):
        variants = group.variants
        verdict = judge(group)
        for finding in verdict.findings:
            path = sources.construct_path(finding.place) if acknowledged else ""
            reason = excuse(acknowledged, finding.rule, path, FORBIDDEN) if path else None
            if reason is None:
                report.findings.append(finding)
            else:
                report.acknowledged.append((finding, reason))
        report.unknown.extend(verdict.unknown)
        report.resources += len({r.place for variant in variants for r in variant.resources})
        note = variants[0].incomplete
        if note is not None:
            names = ", ".join(template.file or template.name for template in group.templates)
            report.notes.append(f"{names}: {note}")
        report.defaults |= group.taken
    report.notes += _defaults(report)
    report.sort()
    return report


def _defaults(report: Report) -> Iterator[str]:
    """Say which parameters were judged at their default alone."""
    named = [f"{name}={value}" for name, value in report.defaults.items() if len(value) < LONGEST]
    named = named[:MOST_NAMED]
    if left := len(report.defaults) - len(named):
        named.append(f"{left} {'more' if named else 'long ones'}")
    if report.defaults:
        yield f"judged at these defaults alone, others by --parameter: {', '.join(named)}"
