"""The fabric rules for cfn-lint (1.58): `cfn-lint --append-rules ultracluster.audit.cfn_lint FILE`.

Each rule is one of cfn-lint's, by its severity and id: `E-FABRIC-3`, which `ignore_checks` takes as
well. Templates are judged one by one, as cfn-lint reads them.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from ultracluster.audit.report import Report, judged
from ultracluster.audit.text import message
from ultracluster.input_files import Sources
from ultracluster.rules.engine import RULES
from ultracluster.rules.rule import Rule, address

LETTERS: Final = {"error": "E", "warning": "W", "info": "I"}


@lru_cache(maxsize=4)
def _report(file: str) -> Report:
    # What cannot be read has no findings here: cfn-lint says so itself.
    return judged(Sources([file]), {}, None, "error")


class _Appended(CloudFormationLintRule):  # type: ignore[misc]
    tags = ("ultracluster",)

    def match(self, cfn: Any) -> list[RuleMatch]:
        return list(self._matches(str(cfn.filename))) if cfn.filename else []

    def _matches(self, file: str) -> Iterator[RuleMatch]:
        report = _report(file)
        for finding in report.findings:
            if f"{LETTERS[report.severity(finding)]}-{finding.rule}" == self.id:
                said = f"{message(finding)}; fix: {finding.fix}"
                yield RuleMatch(["Resources", finding.place.logical_id], said)


def _appended(rule: Rule, severity: str) -> type[_Appended]:
    own = {
        "id": f"{LETTERS[severity]}-{rule.id}",
        "shortdesc": rule.what,
        "description": f"{rule.why} ({rule.source})",
        "source_url": address(rule.id),
    }
    return type(own["id"], (_Appended,), own)


for _rule in RULES.values():
    # An error that takes a combination of values is a warning.
    for _severity in dict.fromkeys((_rule.severity, "warning")):
        globals()[f"{LETTERS[_severity]}_{_rule.id}"] = _appended(_rule, _severity)
