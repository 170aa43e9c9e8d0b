"""The command `ultracluster dashboards`, and dashboards as Grafana's JSON."""

import argparse
import json
import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ultracluster.catalogue.alarms import over
from ultracluster.command_line import (
    add_environment,
    add_format,
    made_folder,
    print_result,
    progress,
    write_output,
)
from ultracluster.dashboards.page import page, series
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, UsageError
from ultracluster.prometheus import Prometheus, source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/dashboards"),
        metavar="FOLDER",
        help="folder for the files, one per dashboard (build/dashboards)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="URL",
        help="also write HTML pages, with data from cloudwatch or a Prometheus: http://127.0.0.1:9090",
    )
    shown = "hours that the pages show, such as 0.5 (6)"
    parser.add_argument("--hours", type=float, default=6.0, metavar="HOURS", help=shown)
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the dashboards of an environment as files that Grafana imports."""
    spec, _ = find(arguments.environment)
    if not 0 < arguments.hours <= LONGEST_HOURS:
        raise UsageError(f"--hours {arguments.hours}: write more than 0, at most {LONGEST_HOURS}")
    asked = source(arguments.source, spec.region, spec.account) if arguments.source else None
    until = time.time()
    since = until - 3600 * arguments.hours
    made_folder(arguments.output)
    written = dict[Path, str]()
    for dashboard in dashboards():
        file = arguments.output / f"{spec.name}-{dashboard.name}.json"
        text = json.dumps(grafana(dashboard, spec.name), indent=1) + "\n"
        write_output(file, text, "--output")
        written[file] = f"{len(dashboard.panels)} panels"
        if asked:
            drawn = file.with_suffix(".html")
            with progress(f"asking {asked.name}"):
                text = draw(dashboard, spec.name, asked, since, until)
            write_output(drawn, text, "--output")
            written[drawn] = f"drawn from {asked.name}"
    print_result(
        console,
        {"environment": spec.name, "files": list(written)},
        *(f"{file}: {what}" for file, what in written.items()),
        "Import them in Grafana; its data source is CloudWatch's PromQL endpoint "
        "(docs/operate/metrics.md).",
        as_json=arguments.json,
    )
    return ALL_WELL


LONGEST_HOURS: Final = 24 * 365
COLUMNS: Final = 2
HEIGHT: Final = 8
WIDTH: Final = 24 // COLUMNS
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
"""The data source that a reader chooses: CloudWatch's PromQL endpoint, or any Prometheus."""
CHOICES: Final = {"job": "job_id", "node": "node"}
"""Variables of a dashboard, and the labels whose values they take."""


@dataclass(frozen=True)
class Panel:
    """One query, and how it is drawn."""

    title: str
    query: str
    legend: str
    unit: str
    kind: str = "timeseries"

    def of(self, environment: str) -> str:
        """Return the query over one environment; `$job` and `$node` stay."""
        return over(self.query, environment)


@dataclass(frozen=True)
class Dashboard:
    """Panels that are read together."""

    name: str
    title: str
    panels: tuple[Panel, ...]


@cache
def dashboards() -> tuple[Dashboard, ...]:
    """Return the table."""
    rows = tomllib.loads((files(__package__) / "dashboards.toml").read_text("utf-8"))
    return tuple(
        Dashboard(name, row["title"], tuple(Panel(**panel) for panel in row["panels"]))
        for name, row in rows.items()
    )


def grafana(dashboard: Dashboard, environment: str) -> dict[str, Any]:
    """Return a dashboard of an environment, as Grafana imports it."""
    source = {"name": "source", "label": "Data source", "type": "datasource"}
    return {
        "uid": f"{environment}-{dashboard.name}"[:40],
        "title": f"{environment} / {dashboard.title}",
        "tags": ["ultracluster", environment],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source | {"query": "prometheus"}, *_variables(environment)]},
        "panels": [_panel(each, index, environment) for index, each in enumerate(dashboard.panels)],
    }


def draw(
    dashboard: Dashboard, environment: str, asked: Prometheus, since: float, until: float
) -> str:
    """Return a dashboard as a page, of all jobs and nodes between two Unix times.

    Raises:
        UsageError: If no Prometheus answers.
    """
    panels = []
    for panel in dashboard.panels:
        query = re.sub(r"\$(job|node)\b", ".*", panel.of(environment))
        # A table says how things are at the end, as in Grafana.
        begin = until if panel.kind == "table" else since
        lines = series(asked, query, panel.legend, begin, until)
        panels.append({**vars(panel), "series": lines})
    return page(f"{environment} / {dashboard.title}", panels, since, until)


def _panel(panel: Panel, index: int, environment: str) -> dict[str, Any]:
    place = {"x": index % COLUMNS * WIDTH, "y": index // COLUMNS * HEIGHT}
    target = {"refId": "A", "expr": panel.of(environment), "legendFormat": panel.legend}
    at_once = {"format": "table", "instant": True} if panel.kind == "table" else {}
    return {
        "id": index + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {**place, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [target | at_once],
    }


def _variables(environment: str) -> list[Mapping[str, Any]]:
    return [
        {
            "name": name,
            "type": "query",
            "datasource": SOURCE,
            "query": f'label_values(ultracluster_up{{environment="{environment}"}}, {label})',
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
            "refresh": 2,
        }
        for name, label in CHOICES.items()
    ]
