"""Audit reports for people: lines or a table, the texts of the rules, and a summary.

nodes.yaml:17: error FABRIC-2 Nodes: no egress to a member of Fabric with IpProtocol -1; fix: ...

No line is broken or cut: a path can be opened, a command copied, and a finding found by grep. The
table is wider than the terminal rather than break a name or a path.
"""

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ultracluster.audit.report import MOST_SHOWN, SEVERITIES, Report
from ultracluster.rules.rule import Finding, assumptions
from ultracluster.templates.resolved import Place

STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def text(report: Report, console: Console, *, show_unknown: bool) -> None:
    for finding in report.findings[:MOST_SHOWN]:
        severity = report.severity(finding)
        _line(
            console,
            f"{where(finding.place)}: ",
            (severity, STYLES[severity]),
            f" {finding.rule} {subject(finding.place)}: {message(finding)}; fix: {finding.fix}",
        )
    if report.findings:
        _line(console)
        write_rules(report, console)
    write_end(report, console, show_unknown=show_unknown)


def table(report: Report, console: Console, *, show_unknown: bool) -> None:
    if report.findings:
        rows = Table(show_lines=True)
        rows.add_column("severity", no_wrap=True)
        rows.add_column("finding")
        longest = 0
        for finding in report.findings[:MOST_SHOWN]:
            severity, place = report.severity(finding), finding.place
            names = [f"{finding.rule} {where(place)}", place.logical_id, place.construct_path or ""]
            cell = "\n".join((*filter(None, names), message(finding), f"fix: {finding.fix}"))
            longest = max(longest, *map(len, names), *map(len, cell.split()))
            rows.add_row(Text(severity, style=STYLES[severity]), Text(cell))
        rows.columns[1].min_width = longest
        frame = len("| severity |  |") + 1
        console.print(rows, width=max(console.width, longest + frame), crop=False, soft_wrap=False)
        write_rules(report, console)
    write_end(report, console, show_unknown=show_unknown)


def write_rules(report: Report, console: Console) -> None:
    """Write what the rules say that found something, each once."""
    found = {finding.rule for finding in report.findings}
    for rule in (rule for name, rule in report.rules.items() if name in found):
        _line(console, (rule.id, "bold"), f": {rule.what}")
        for name, words in (("why", rule.why), ("check", rule.check), ("source", rule.source)):
            _line(console, f"  {name}: {words}")
    _line(console)


def write_end(report: Report, console: Console, *, show_unknown: bool) -> None:
    """Write what was left open, notes, and how much was looked at."""
    for title, found in (("findings", report.findings), ("open questions", report.unknown)):
        if len(found) > MOST_SHOWN and (show_unknown or found is report.findings):
            said = f"{len(found) - MOST_SHOWN:,} more {title} are not shown; --format json has all"
            _line(console, f"Note: {said}.")
    for item in report.unknown[:MOST_SHOWN] if show_unknown else ():
        because = f"cannot tell, because {item.because}"
        what = f"unknown {item.rule} {item.place.logical_id}: {because}"
        _line(console, f"{where(item.place)}: {what}")
    for note in report.notes:
        _line(console, f"Note: {note}.")
    _line(console, _sum(report, show_unknown=show_unknown))


def where(place: Place) -> str:
    line = "" if place.line is None else f":{place.line}"
    return f"{place.file or place.stack}{line}"


def subject(place: Place) -> str:
    """Return the resource, with the path of its construct where CDK wrote it."""
    return (
        f"{place.logical_id} ({place.construct_path})" if place.construct_path else place.logical_id
    )


def message(finding: Finding) -> str:
    """Return what was found, with the conditions under which it is so."""
    only = f" (only where {assumptions(finding.choices)})" if finding.choices else ""
    return f"{finding.message}{only}"


def _line(console: Console, *parts: str | tuple[str, str]) -> None:
    line = Text(" ").join(Text.assemble(*parts).split("\n"))  # a name may hold a line feed
    console.print(line, soft_wrap=True, highlight=False)


def _sum(report: Report, *, show_unknown: bool) -> str:
    counts = report.counts()
    found = ", ".join(_counted(counts[severity], severity) for severity in SEVERITIES)
    line = (
        f"{_counted(len(report.templates), 'template')}, "
        f"{_counted(report.resources, 'resource')}, {_counted(len(report.rules), 'rule')}: {found}"
    )
    if report.not_judged:
        line += f", {len(report.not_judged)} not judged"
    if report.acknowledged:
        line += f", {len(report.acknowledged)} acknowledged"
    if not report.unknown:
        return f"{line}."
    hint = "" if show_unknown else " (--show-unknown lists them)"
    questions = _counted(len(report.unknown), "question")
    return f"{line}; {questions} that the templates leave open{hint}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
