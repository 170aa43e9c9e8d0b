"""The console command.

ultracluster dashboards ENVIRONMENT [--output FOLDER]
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from ultracluster.command_line import add_environment, say
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_environment(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/dashboards"),
        metavar="FOLDER",
        help="folder of the files, one for each dashboard (build/dashboards)",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the dashboards of an environment as files that Grafana imports."""
    from ultracluster.dashboards.grafana import dashboards, grafana  # noqa: PLC0415

    spec, _ = find(arguments.environment)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for dashboard in dashboards():
        file = arguments.output / f"{spec.name}-{dashboard.name}.json"
        file.write_text(json.dumps(grafana(dashboard, spec.name), indent=1) + "\n")
        say(console, f"{file}: {len(dashboard.panels)} panels")
    say(
        console,
        "Import them in Grafana; its data source is CloudWatch's PromQL endpoint "
        "(docs/operate/metrics.md).",
    )
    return ALL_WELL
