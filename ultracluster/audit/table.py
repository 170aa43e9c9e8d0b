"""The audit for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ultracluster.audit.report import SEVERITIES, Report, assumptions
from ultracluster.templates.resolved import Place

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def write(report: Report, console: Console, *, show_unknown: bool) -> None:
    """Print the report."""
    if report.findings:
        console.print(_findings(report))
    if show_unknown and report.unknown:
        console.print(_unknown(report))
    for note in report.notes:
        console.print(f"Note: {note}.", markup=False, highlight=False)
    console.print(_summary(report, show_unknown=show_unknown), markup=False, highlight=False)


def _findings(report: Report) -> Table:
    table = Table(show_lines=True, expand=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("where", ratio=2, overflow="fold")
    table.add_column("what, why and what to write", ratio=5, overflow="fold")
    for finding in report.findings:
        rule = report.rules[finding.rule]
        body = Text()
        body.append(finding.rule, style="bold")
        body.append(f"\n{finding.message}\n{rule.why} ({rule.source})\n")
        body.append("fix: ", style="bold")
        body.append(finding.fix)
        body.append("\ncheck: ", style="bold")
        body.append(rule.check)
        if finding.choices:
            body.append(f"\nonly where {assumptions(finding.choices)}")
        table.add_row(
            Text(rule.severity, style=STYLES[rule.severity]), Text(_where(finding.place)), body
        )
    return table


def _unknown(report: Report) -> Table:
    table = Table(title="Neither passed nor failed", title_justify="left", expand=True)
    table.add_column("rule", no_wrap=True)
    table.add_column("where", ratio=2, overflow="fold")
    table.add_column("cannot tell, because", ratio=3, overflow="fold")
    for item in report.unknown:
        table.add_row(Text(item.rule), Text(_where(item.place)), Text(item.because))
    return table


def _where(place: Place) -> str:
    line = "" if place.line is None else f":{place.line}"
    parts = [f"{place.file or place.stack}{line}", place.logical_id, place.construct_path]
    return "\n".join(part for part in parts if part)


def _summary(report: Report, *, show_unknown: bool) -> str:
    counts = report.counts()
    found = ", ".join(_counted(counts[severity], severity) for severity in SEVERITIES)
    line = (
        f"{_counted(len(report.templates), 'template')}, "
        f"{_counted(report.resources, 'resource')}, {_counted(len(report.rules), 'rule')}: {found}"
    )
    if report.acknowledged:
        line += f", {len(report.acknowledged)} acknowledged"
    if not report.unknown:
        return f"{line}."
    hint = "" if show_unknown else " (--show-unknown lists them)"
    questions = _counted(len(report.unknown), "question")
    return f"{line}; {questions} that the templates leave open{hint}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
