"""What the rule packs of a synthesis said: open findings, and those that somebody excused.

CDK writes `validation-report.json` beside the assemblies of an app (aws-cdk-lib 2.275.0, read
2026-11-24).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REPORT: Final = "validation-report.json"
OWN: Final = "UltraCluster"
"""Plugin whose open findings the review makes itself; what is excused of it is taken from here."""


@dataclass(frozen=True)
class PackFinding:
    """A finding of a rule pack."""

    pack: str
    rule: str
    what: str
    severity: str
    construct: str


@dataclass(frozen=True)
class Excused:
    """A finding that somebody acknowledged."""

    pack: str
    rule: str
    what: str
    construct: str
    reason: str
    at: str
    """Where the acknowledgement is written."""


@dataclass(frozen=True)
class Packs:
    """What all packs said."""

    conclusions: dict[str, str]
    findings: Sequence[PackFinding]
    excused: Sequence[Excused]


def read_packs(assembly: Path, constructs: Iterable[str]) -> Packs | None:
    """Return what a report says of some constructs, None where there is none.

    Args:
        assembly: directory of an app or of a stage in it.
        constructs: construct paths of the reviewed templates; what belongs to none is left out.
    """
    path = next((p / REPORT for p in (assembly, assembly.parent) if (p / REPORT).is_file()), None)
    if path is None:
        return None
    try:
        plugins = json.loads(path.read_text())["pluginReports"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = {part for construct in constructs for part in _above(construct)}
    mine = [plugin for plugin in plugins if isinstance(plugin, dict)]
    return Packs(
        {str(p.get("pluginName")): str(p.get("conclusion")) for p in mine},
        [
            PackFinding(str(p.get("pluginName")), rule, what, severity, construct)
            for p in mine
            if p.get("pluginName") != OWN
            for rule, what, severity, construct, _ in _violations(p.get("violations"), known)
        ],
        [
            Excused(
                str(p.get("pluginName")),
                rule,
                what,
                construct,
                str(violation.get("reason", "")),
                str(violation.get("acknowledgedAt", "")),
            )
            for p in mine
            for rule, what, _, construct, violation in _violations(
                p.get("suppressedViolations"), known
            )
        ],
    )


def _violations(found: Any, known: set[str]) -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    for violation in found if isinstance(found, list) else []:
        for construct in violation.get("violatingConstructs", []):
            path = str(construct.get("constructPath", ""))
            if path in known:
                yield (
                    str(violation.get("ruleName", "")),
                    str(violation.get("description", "")),
                    str(violation.get("severity", "")),
                    path,
                    violation,
                )


def _above(construct: str) -> Iterator[str]:
    """Yield a path and all paths above it: a pack may name a parent of the resource."""
    parts = construct.split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])
