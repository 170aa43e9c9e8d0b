"""Check of the environment's templates by the fabric rules.

If a rule cannot tell from a template, because it names an existing resource, a check of the account
answers the question; `ANSWERED_BY` says which one.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.audit.report import Report
from ultracluster.preflight.finding import Finding, Situation, Verdict, check, passed, skipped
from ultracluster.synthesis import SynthesisError

ANSWERED_BY: Final[Mapping[str, str]] = {
    "FABRIC-9": "subnet-public-addresses",
    "FABRIC-12": "subnet-place",
    "FABRIC-15": "vpc-network-acls",
    "FABRIC-16": "vpc-dns",
    "FABRIC-17": "subnet-addresses",
    "FABRIC-20": "vpc-routes",
    "CAPACITY-1": "subnet-place",
    "CAPACITY-5": "zone-offering",
    "CAPACITY-3": "capacity-reservation",
    "CAPACITY-12": "capacity-reservation",
    "CAPACITY-14": "capacity-reservation",
    "LUSTRE-19": "subnet-place",
    "SAGEMAKER-4": "subnet-addresses",
    "SAGEMAKER-7": "subnet-place",
    "SAFETY-16": "bucket-key-policy",
}
"""By rule: the check that asks the account what the rule cannot tell from a template."""


@check("fabric-rules", "The templates pass the fabric rules")
def _rules(situation: Situation) -> Iterator[Finding]:
    if situation.templates is None:
        yield skipped("templates", "no templates were synthesized for this run")
        return
    try:
        report = situation.templates()
    except SynthesisError as error:
        yield skipped(
            "templates",
            f"not synthesized: {' '.join(str(error).split())}",
            "fix the error; `--only fabric-rules` has a longer time limit",
        )
        return
    yield from judged(report)


def judged(report: Report) -> Iterator[Finding]:
    """Yield the results of the rules: errors fail the check, others are skipped."""
    for finding in report.findings:
        rule = report.rules[finding.rule]
        subject = f"{rule.id} at {finding.place.path}"
        if rule.severity == "error":
            result = Verdict.FAIL, subject, finding.message
            yield Finding(*result, fix=finding.fix, by_hand=rule.check)
        else:
            found = f"{rule.severity}: {finding.message}; {finding.fix}"
            yield Finding(Verdict.PASS, subject, found, by_hand=rule.check)
    yield from _open(report)
    if not any(report.severity(finding) == "error" for finding in report.findings):
        excused = f", {len(report.acknowledged)} acknowledged" if report.acknowledged else ""
        yield passed(
            "templates",
            f"{len(report.rules)} rules find no error in {report.resources} resources of "
            f"{len(report.templates)} stacks{excused}",
        )


def _open(report: Report) -> Iterator[Finding]:
    """Yield what rules cannot tell: which check answers it, or how to confirm it by hand."""
    answered: dict[str, set[str]] = {}
    for unknown in report.unknown:
        if unknown.rule in ANSWERED_BY:
            answered.setdefault(ANSWERED_BY[unknown.rule], set()).add(unknown.rule)
            continue
        yield Finding(
            Verdict.SKIP,
            f"{unknown.rule} at {unknown.place.path}",
            f"cannot tell, because {unknown.because}",
            fix="look by hand",
            by_hand=report.rules[unknown.rule].check,
        )
    for asking, rules in answered.items():
        names = ", ".join(name for name in report.rules if name in rules)
        yield skipped(names, f"{names}: no template can tell; {asking} asks the account")
