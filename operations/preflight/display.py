"""What a preflight found, for a reader and for a program."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from operations.preflight.finding import Check, Finding, Verdict
from operations.preflight.preflight import Preflight

COLOURS: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.SKIP: "yellow",
}


def show(preflight: Preflight, console: Console) -> None:
    """Print where was looked, a table of all findings, what to do, and how to see the same."""
    where = f"account {preflight.caller.account}, {preflight.region}"
    _line(console, f"{preflight.environment} in {where}, asked by {preflight.caller.arn}")
    table = Table("")
    for column in ("check", "of", "found", "wanted"):
        table.add_column(column, overflow="fold")
    for result in preflight.results:
        for finding in result.findings:
            table.add_row(
                Text(finding.verdict, style=COLOURS[finding.verdict]),
                Text(result.check.name),
                Text(finding.subject),
                Text(finding.found),
                Text(finding.wanted),
            )
    console.print(table)
    for check, finding in preflight.having(Verdict.FAIL):
        _explain(console, preflight, check, finding)
    for check, finding in preflight.having(Verdict.SKIP):
        if finding.fix:
            _explain(console, preflight, check, finding)
    seen: dict[str, list[str]] = {}
    for check, finding in preflight.having(Verdict.PASS):
        names = seen.setdefault(_command(preflight, finding), [])
        names.extend({check.name} - set(names))
    if seen:
        _line(console, "\nTo see for yourself what passed:")
    for command, names in seen.items():
        _line(console, f"  {', '.join(names)}: {command}")
    _line(console, f"\n{summary(preflight)}")


def summary(preflight: Preflight) -> str:
    """Return the counts in one line."""
    counts = _counts(preflight)
    return (
        f"{preflight.environment}: {counts[Verdict.PASS]} pass, {counts[Verdict.FAIL]} fail, "
        f"{counts[Verdict.SKIP]} skipped; nothing was changed."
    )


def as_json(preflight: Preflight) -> str:
    """Return all of it for a program."""
    counts = _counts(preflight)
    document = {
        "environment": preflight.environment,
        "account": preflight.caller.account,
        "caller": preflight.caller.arn,
        "region": preflight.region,
        "exit_status": preflight.exit_status,
        "summary": {verdict.value: counts[verdict] for verdict in Verdict},
        "findings": [
            _row(preflight, result.check, finding)
            for result in preflight.results
            for finding in result.findings
        ],
    }
    return json.dumps(document, indent=2)


def _row(preflight: Preflight, check: Check, finding: Finding) -> dict[str, Any]:
    return {
        "check": check.name,
        "what": check.what,
        "verdict": finding.verdict.value,
        "subject": finding.subject,
        "found": finding.found,
        "wanted": finding.wanted,
        "fix": finding.fix,
        "fix_command": finding.fix_command,
        "command": _command(preflight, finding),
        "missing_action": finding.missing_action,
        "unanswered": finding.unanswered,
    }


def _explain(console: Console, preflight: Preflight, check: Check, finding: Finding) -> None:
    _line(console, f"\n{finding.verdict} {check.name}: {finding.subject}")
    for label, words in (
        ("fix", finding.fix),
        ("fix by", finding.fix_command),
        ("see by", _command(preflight, finding)),
    ):
        if words:
            _line(console, f"  {label}: {words}")


def _command(preflight: Preflight, finding: Finding) -> str:
    return finding.question.command(preflight.region) if finding.question is not None else ""


def _counts(preflight: Preflight) -> Counter[Verdict]:
    return Counter(finding.verdict for result in preflight.results for finding in result.findings)


def _line(console: Console, text: str) -> None:
    # A command that is broken over two lines cannot be copied.
    console.print(text, markup=False, highlight=False, soft_wrap=True)
