"""What was proved, as a table and as a document."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.text import Text

from ultracluster.prove.proof import Check, Results
from ultracluster.tables import Column, Rows

COLUMNS: Final = (Column("area"), Column("checks", "number"), Column("result"))


def table_of(results: Results, title: str) -> Rows:
    table = Rows(COLUMNS, title=title)
    for area, checks in results.items():
        table.add(area, str(len(checks)), _verdict(checks))
    return table


def _verdict(checks: Sequence[Check]) -> Text:
    failed = sum(not check.ok and not check.lacks for check in checks)
    if failed:
        return Text(f"{failed} failed", style="red")
    hidden = sum(bool(check.lacks) for check in checks)
    return Text(f"{hidden} not shown", "yellow") if hidden else Text("all true", style="green")


def failures(results: Results) -> Iterator[str]:
    """Yield a line for each check that is not true, or that the caller may not make."""
    for area, checks in results.items():
        yield from (f"{area}: {check}" for check in checks if not check.ok)


def as_document(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return the checks of each area; `lacks` is the action that the caller may not take."""
    return {
        area: [
            {"check": str(check), "ok": check.ok} | ({"lacks": check.lacks} if check.lacks else {})
            for check in checks
        ]
        for area, checks in results.items()
    }
