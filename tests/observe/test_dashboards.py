"""Dashboards: no panel is empty, and Grafana's files hold what is asked for."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from markupsafe import escape

from tests.observe.hour import CALM, Server
from tests.observe.node import START
from ultracluster.cli import main
from ultracluster.dashboards.command import Dashboard, Panel, dashboards, draw
from ultracluster.dashboards.page import page, with_unit
from ultracluster.prometheus import Prometheus, source
from ultracluster.safe_output import UNSAFE

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


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda each: each.name)
def test_a_dashboard_is_drawn_from_a_prometheus(server: Server, dashboard: Dashboard):
    """Every panel is there, has a line or a table, and the values that its axis ends with."""
    text = draw(dashboard, CALM, source(server.url, "", None), START, START + 1800)

    assert "Nothing was measured" not in text
    assert text.count("<section class=card>") == len(dashboard.panels)
    charts = [panel for panel in dashboard.panels if panel.kind != "table"]
    assert text.count("<svg ") == len(charts)
    assert all(escape(panel.title) in text for panel in dashboard.panels)
    assert re.findall(r'd="M[\d. ]+[LM][^"]*h0"', text), "a line of several points"


def answer(path: str) -> bytes:
    """Answer as a Prometheus whose only series says when it was asked about."""
    asked = parse_qs(urlsplit(path).query)
    labels = {"slurm_node": "n1", "reason": f"at {float(asked['start'][0]):.0f}"}
    series = {"metric": labels, "values": [(float(asked["end"][0]), "1")]}
    return json.dumps({"data": {"result": [series]}}).encode()


def test_what_is_measured_is_drawn_as_text_and_numbers(tmp_path, monkeypatch):
    """A name of a node may hold an escape sequence; numbers may be too large to be subtracted."""
    labels = dict.fromkeys(("node", "job_id", "slurm_node", "gpu", "user"), "n\x1b[31m\u202e")
    values = [[0, "1e308"], [9, "-1e308"], ["nan", "1"], ["inf", "1"], [15, "2"]]
    body = json.dumps({"data": {"result": [{"metric": labels, "values": values}]}}).encode()
    asked = Prometheus("made up", lambda _: body)
    monkeypatch.setattr("ultracluster.dashboards.command.source", lambda *_: asked)

    assert main(["dashboards", "dev", "--output", str(tmp_path), "--from", "http://x"]) == 0
    pages = "".join(file.read_text() for file in tmp_path.glob("*.html"))
    assert "n\u241b[31m\ufffd" in pages
    assert not UNSAFE.search(pages)
    assert not re.search(r' d="[^"]*(nan|inf)', pages)


def test_a_table_says_how_things_are_at_the_end():
    """Nodes that were out of service for a while are in service again."""
    panel = Panel("t", "up{$env}", "{{slurm_node}} {{reason}}", "short", "table")

    text = draw(Dashboard("d", "D", (panel,)), "e", Prometheus("nobody", answer), 1000, 9000)

    assert "n1 at 9000" in text


def test_a_line_is_interrupted_where_nothing_was_measured():
    series = [("n1", tuple((float(at), 1.0) for at in (0, 10, 20, 900, 910)))]
    panel = {"title": "t", "unit": "s", "kind": "timeseries", "series": series}
    (path,) = re.findall(r' d="([^"]+)"', page("p", [panel], 0.0, 1000.0))

    assert re.sub(r"[\d. ]", "", path) == "MLLMLh"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.425, "percentunit", "42.5 %"), (2.5e9, "Bps", "2.5 GB/s"), (0.0, "s", "0 s")],
)
def test_values_have_their_units(value: float, unit: str, text: str):
    assert with_unit(value, unit) == text


@pytest.mark.parametrize(
    "words", [("--from", "http://127.0.0.1:9"), ("--hours", "0"), ("--hours", "nan")]
)
def test_what_cannot_be_drawn_is_told_in_a_line(words, tmp_path, capsys):
    assert main(["dashboards", "dev", "--output", str(tmp_path), *words]) == 2

    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert ("no Prometheus answers" if words[0] == "--from" else "--hours") in said


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
