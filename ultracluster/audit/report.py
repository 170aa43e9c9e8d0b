"""Everything that an audit has to say, before it is written in any format."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ultracluster.rules.rule import CannotTell, Finding, Rule
from ultracluster.templates.template import Template

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
    """Files, and parts of files, that no rule could read, each with the reason."""
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

    def shown(self) -> Sequence[Finding]:
        """Return the gravest findings, as many as a person may read."""
        return self.findings[:MOST_SHOWN]

    def sort(self) -> None:
        """Put the gravest first, and then what stands first in the files."""
        order = {template.name: index for index, template in enumerate(self.templates)}

        def position(item: Finding | CannotTell) -> tuple[int, int, str, str]:
            place = item.place
            return (order.get(place.stack, 0), place.line or 0, place.logical_id, item.rule)

        self.findings.sort(key=lambda item: (SEVERITIES.index(self.severity(item)), position(item)))
        self.unknown.sort(key=position)
