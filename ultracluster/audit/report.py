"""Runs every rule over every group of templates, and collects the findings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ultracluster.input_files import Sources
from ultracluster.rules.acknowledgements import excuse
from ultracluster.rules.engine import FORBIDDEN, RULES, judge
from ultracluster.rules.rule import CannotTell, Finding, Rule
from ultracluster.templates.resolved import Template

SEVERITIES: Final = ("error", "warning", "info")
"""The gravest first."""


MOST_SHOWN: Final = 1000
"""Findings, and open questions, that are printed for people; formats for programs have all."""


@dataclass
class Report:
    """Findings over a number of templates."""

    rules: Mapping[str, Rule]
    templates: Sequence[Template]
    threshold: str
    """Least grave severity that fails the audit; `never` for none."""
    findings: list[Finding] = field(default_factory=list)
    acknowledged: list[tuple[Finding, str]] = field(default_factory=list)
    """Findings that the app of an assembly excuses at their construct, and why; they fail
    nothing."""
    unknown: list[CannotTell] = field(default_factory=list)
    """Questions that the templates leave open: neither passed nor failed."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know about how far the audit went."""
    defaults: dict[str, str] = field(default_factory=dict)
    """Parameters of which the default alone was judged, with it, by `template/parameter`."""
    not_judged: list[str] = field(default_factory=list)
    """Files that no rule could read, each with the reason."""
    resources: int = 0

    def severity(self, finding: Finding) -> str:
        severity = self.rules[finding.rule].severity
        return "warning" if severity == "error" and finding.avoidable else severity

    def fails(self, finding: Finding) -> bool:
        """Whether a finding is grave enough to fail the audit."""
        if self.threshold == "never":
            return False
        return SEVERITIES.index(self.severity(finding)) <= SEVERITIES.index(self.threshold)

    @property
    def failed(self) -> bool:
        return any(self.fails(finding) for finding in self.findings)

    def counts(self) -> dict[str, int]:
        counted = Counter(self.severity(finding) for finding in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    def sort(self) -> None:
        """Put the gravest first, and then what stands first in the files."""
        order = {template.name: index for index, template in enumerate(self.templates)}

        def position(item: Finding | CannotTell) -> tuple[int, int, str, str]:
            place = item.place
            return (order.get(place.stack, 0), place.line or 0, place.logical_id, item.rule)

        self.findings.sort(key=lambda item: (SEVERITIES.index(self.severity(item)), position(item)))
        self.unknown.sort(key=position)


MOST_NAMED: Final = 12
"""Defaults that a note names."""
LONGEST: Final = 40


def judged(
    sources: Sources, parameters: Mapping[str, str], region: str | None, threshold: str
) -> Report:
    """Return what all rules have to say about templates."""
    report = Report(RULES, sources.templates, threshold)
    report.not_judged = sources.errors
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
    named = [f"{name}={value}" for name, value in report.defaults.items() if len(value) < LONGEST]
    named = named[:MOST_NAMED]
    if left := len(report.defaults) - len(named):
        named.append(f"{left} {'more' if named else 'long ones'}")
    if report.defaults:
        says = "judged with the default values of parameters alone; give others by --parameter: "
        report.notes.append(says + ", ".join(named))
    report.sort()
    return report
