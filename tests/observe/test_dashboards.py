"""Dashboards: no panel is empty, and Grafana's files hold what is asked for."""

import json
from pathlib import Path

import pytest

from tests.observe.hour import CALM, Server
from tests.observe.node import START
from ultracluster.cli import main
from ultracluster.dashboards.command import Panel, dashboards

PANELS = [
    pytest.param(panel, id=f"{each.name}-{panel.title}")
    for each in dashboards()
    for panel in each.panels
]


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_shows_something(server: Server, panel: Panel):
    """A misspelt name of a metric gives an empty panel, and no error."""
    query = panel.of(CALM).replace("$job", ".*").replace("$node", ".*")

    assert server.ask("query", query=query, time=START + 1800)


def test_a_panel_asks_for_one_environment():
    for each in dashboards():
        for panel in each.panels:
            query = panel.of("night")
            assert query.count("ultracluster_") == query.count('environment="night"')


def test_a_file_for_each_dashboard_is_written(tmp_path: Path):
    assert main(["dashboards", "dev", "--output", str(tmp_path)]) == 0

    names = {file.name for file in tmp_path.iterdir()}
    assert names == {f"dev-{each.name}.json" for each in dashboards()}
    board = json.loads((tmp_path / "dev-job.json").read_text())
    assert all('environment="dev"' in p["targets"][0]["expr"] for p in board["panels"])
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places)
