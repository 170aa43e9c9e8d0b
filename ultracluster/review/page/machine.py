"""The review as JSON, for programs."""

import json
from dataclasses import asdict
from typing import Any

from ultracluster.review.drawing.outline import Item
from ultracluster.review.figure import Figure
from ultracluster.review.report import Review


def write(review: Review) -> str:
    """Return the review as JSON; the schema's number changes when a key changes its meaning."""
    document = {
        "schema": 1,
        "title": review.title,
        "headline": review.headline,
        "notes": list(review.notes),
        "baseline": review.baseline,
        "worst": review.worst.value if review.worst else None,
        "changes": [
            {**_plain(change), "worst": change.worst.value, "place": change.place}
            for change in review.changes
        ],
        "findings": [
            {
                "rule": finding.rule,
                "severity": review.audit.severity(finding),
                "message": finding.message,
                "fix": finding.fix,
                "place": asdict(finding.place),
                "only_if": dict(finding.choices),
            }
            for finding in review.findings
        ],
        "packs": None if review.packs is None else asdict(review.packs),
        "cannot_tell": [
            {"rule": item.rule, "place": asdict(item.place), "because": item.because}
            for item in review.audit.unknown
        ],
        "statements": [_plain(statement) for statement in review.access.statements],
        "escalations": [_plain(way) for way in review.access.escalations],
        "security": [_security(figure) for figure in review.figures],
        "topology": [
            {"templates": list(figure.names), "words": _item(figure.words)}
            for figure in review.figures
        ],
        "numbers": [asdict(group) for group in review.numbers],
        "sizes": [asdict(size) | {"near": list(size.near)} for size in review.sizes],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = asdict(value)
    return found


def _item(item: Item) -> dict[str, Any]:
    return {"says": item.says, "below": [_item(inner) for inner in item.below]}


def _security(figure: Figure) -> dict[str, Any]:
    names = {p.key: p.name for p in (*figure.matrix.sources, *figure.matrix.targets)}
    return {
        "templates": list(figure.names),
        "passes": [
            {
                "from": names[source],
                "to": names[target],
                "traffic": [str(each) for each in cell.passes],
                "one_side_alone": [str(each) for each in cell.one_side],
            }
            for (source, target), cell in figure.matrix.cells.items()
        ],
        "unknown": list(figure.matrix.unknown),
    }
