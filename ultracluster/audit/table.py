"""The audit as a table, and below it what the rules say.

The table is wider than the terminal rather than break a name or a path.
"""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ultracluster.audit.report import Report
from ultracluster.audit.text import STYLES, message, where, write_end, write_rules


def write(report: Report, console: Console, *, show_unknown: bool) -> None:
    if report.findings:
        table = Table(show_lines=True)
        table.add_column("severity", no_wrap=True)
        table.add_column("finding")
        longest = 0
        for finding in report.shown():
            severity, place = report.severity(finding), finding.place
            names = [f"{finding.rule} {where(place)}", place.logical_id, place.construct_path or ""]
            text = "\n".join((*filter(None, names), message(finding), f"fix: {finding.fix}"))
            longest = max(longest, *map(len, names), *map(len, text.split()))
            table.add_row(Text(severity, style=STYLES[severity]), Text(text))
        table.columns[1].min_width = longest
        frame = len("| severity |  |") + 1
        console.print(table, width=max(console.width, longest + frame), crop=False, soft_wrap=False)
        write_rules(report, console)
    write_end(report, console, show_unknown=show_unknown)
