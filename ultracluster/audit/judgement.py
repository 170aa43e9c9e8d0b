"""Every rule over every group of templates."""

from collections.abc import Iterable, Mapping

from ultracluster.audit.report import Report
from ultracluster.input_files import Sources
from ultracluster.rules.acknowledgements import excuse
from ultracluster.rules.engine import FORBIDDEN, RULES, judge
from ultracluster.templates.resolved import ResolvedGroup


def judged(
    sources: Sources, parameters: Mapping[str, str], region: str | None, threshold: str
) -> Report:
    return judged_groups(sources, sources.resolved(parameters, region), threshold)


def judged_groups(sources: Sources, groups: Iterable[ResolvedGroup], threshold: str) -> Report:
    """Return what all rules have to say about templates that were resolved before."""
    report = Report(RULES, sources.templates, threshold)
    acknowledged = sources.acknowledged()
    for group in groups:
        variants = group.variants
        verdict = judge(variants)
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
    report.sort()
    return report
