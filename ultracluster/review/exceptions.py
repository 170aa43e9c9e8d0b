"""What the rule packs of a synthesis said: open findings, and those that somebody excused.

CDK writes `validation-report.json` beside the assemblies of an app (aws-cdk-lib 2.275.0, read
2026-11-24).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ultracluster.given_file import UnreadableError, json_of, text_of
from ultracluster.templates.scope import mapping

REPORT: Final = "validation-report.json"
OWN: Final = "UltraCluster"
"""Plugin whose open findings the review makes itself; what is excused of it is taken from here."""


@dataclass(frozen=True)
class PackFinding:
    """A finding of a rule pack, open or acknowledged by somebody."""

    pack: str
    rule: str
    what: str
    severity: str
    construct: str
    reason: str
    """Why it was acknowledged; empty where it is open."""
    at: str
    """Where the acknowledgement is written."""


@dataclass(frozen=True)
class Packs:
    """What all packs said."""

    conclusions: dict[str, str]
    findings: Sequence[PackFinding]
    excused: Sequence[PackFinding]


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
        plugins = list(json_of(path, text_of(path))["pluginReports"])
    except (UnreadableError, KeyError, TypeError):
        return None
    # A pack may name a parent of the resource.
    paths = [PurePosixPath(each) for each in constructs]
    known = {str(above) for each in paths for above in (each, *each.parents)}
    mine = {str(p.get("pluginName")): p for p in plugins if isinstance(p, dict)}

    def said(kind: str) -> list[PackFinding]:
        found = (_findings(name, plugin.get(kind), known) for name, plugin in mine.items())
        return [finding for each in found for finding in each]

    return Packs(
        {name: str(plugin.get("conclusion")) for name, plugin in mine.items()},
        [finding for finding in said("violations") if finding.pack != OWN],
        said("suppressedViolations"),
    )


def _findings(pack: str, found: Any, known: set[str]) -> Iterator[PackFinding]:
    names = ("ruleName", "description", "severity", "reason", "acknowledgedAt")
    for violation in map(mapping, found if isinstance(found, list) else []):
        rule, what, severity, *excuse = (str(violation.get(name, "")) for name in names)
        constructs = violation.get("violatingConstructs")
        for construct in map(mapping, constructs if isinstance(constructs, list) else []):
            path = str(construct.get("constructPath", ""))
            if path in known:
                yield PackFinding(pack, rule, what, severity, path, *excuse)
