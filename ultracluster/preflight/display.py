"""What a preflight found, for a reader and for a program."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ultracluster.command_line import say
from ultracluster.preflight.finding import Check, Finding, Verdict
from ultracluster.preflight.preflight import Preflight

COLOURS: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.SKIP: "yellow",
}


def show(preflight: Preflight, console: Console) -> None:
    """Print where it looked, all findings, what to do, and the calls that confirm them."""
    where = f"account {preflight.caller.account}, {preflight.region}"
    say(console, f"{preflight.environment} in {where}, as {preflight.caller.arn}")
    _table(preflight, console)
    for verdict in (Verdict.FAIL, Verdict.SKIP):
        for check, finding in preflight.having(verdict):
            if finding.fix:
                _explain(console, preflight, check, finding)
    seen: dict[str, list[str]] = {}
    for check, finding in preflight.having(Verdict.PASS):
        if not _command(preflight, finding):
            continue
        names = seen.setdefault(_command(preflight, finding), [])
        names.extend({check.name} - set(names))
    if seen:
        say(console, "\nAWS CLI calls that confirm what passed:")
    for command, names in seen.items():
        say(console, f"  {', '.join(names)}: {command}")
    say(console, f"\n{summary(preflight)}")


def _table(preflight: Preflight, console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    # A name is what is written after --only: it stays in one piece.
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    # What does not apply is grouped by its reason.
    beside: dict[str, list[str]] = {}
    for result in preflight.results:
        for finding in result.findings:
            if finding.verdict is Verdict.SKIP and not finding.fix:
                beside.setdefault(finding.found, []).append(result.check.name)
                continue
            colour = COLOURS[finding.verdict]
            words = Text(_words(finding))
            table.add_row(Text(finding.verdict, style=colour), Text(result.check.name), words)
    console.print(table)
    for why, names in beside.items():
        say(console, f"SKIP {', '.join(names)}: {why}")


def summary(preflight: Preflight) -> str:
    counts = _counts(preflight)
    return (
        f"{preflight.environment}: {counts[Verdict.PASS]} pass, {counts[Verdict.FAIL]} fail, "
        f"{counts[Verdict.SKIP]} skipped; nothing was changed."
    )


def document(preflight: Preflight) -> dict[str, Any]:
    counts = _counts(preflight)
    return {
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


def _row(preflight: Preflight, check: Check, finding: Finding) -> dict[str, Any]:
    row = {"check": check.name, "what": check.what, **asdict(finding)}
    for name in ("question", "by_hand"):
        del row[name]
    return row | {"command": _command(preflight, finding)}


def _words(finding: Finding) -> str:
    wanted = f"; wanted: {finding.wanted}" if finding.wanted else ""
    return f"{finding.subject}: {finding.found}{wanted}"


def _explain(console: Console, preflight: Preflight, check: Check, finding: Finding) -> None:
    say(console, f"\n{finding.verdict} {check.name}: {finding.subject}")
    for label, words in (
        ("fix", finding.fix),
        ("fix by", finding.fix_command),
        ("confirm by", _command(preflight, finding)),
    ):
        if words:
            say(console, f"  {label}: {words}")


def _command(preflight: Preflight, finding: Finding) -> str:
    if finding.question is not None:
        return finding.question.command(preflight.region)
    return finding.by_hand


def _counts(preflight: Preflight) -> Counter[Verdict]:
    return Counter(finding.verdict for result in preflight.results for finding in result.findings)
