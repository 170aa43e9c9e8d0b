"""What jobs made of their GPUs, asked of a real Prometheus, and of CloudWatch's road to one."""

import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from tests.observe.hour import CALM, EVERY, HOUR, Server
from tests.observe.node import START
from ultracluster.catalogue.alarms import alarms
from ultracluster.cli import main
from ultracluster.prometheus import Prometheus, source
from ultracluster.train.slurm_jobs import LoginNode
from ultracluster.waste import command
from ultracluster.waste.usage import JobUse, uses

pytestmark = pytest.mark.needs("prometheus")
GPUS = 16
"""Of the one job that runs for the whole hour."""


def test_a_jobs_gpu_hours_idle_hours_and_mfu_are_found(server: Server):
    asked = source(server.url, "us-east-1", None)
    (job,) = uses(asked, CALM, START + HOUR, HOUR, EVERY)
    query = f'avg(avg_over_time(ultracluster_gpu_utilization_ratio{{environment="{CALM}"}}[1h]))'
    (busy,) = server.ask("query", query=query, time=START + HOUR)

    assert (job.job, job.user) == ("7", "ada")
    assert float(job.gpu_hours) == pytest.approx(GPUS, rel=0.02)
    idle = float(job.gpu_hours) * (1 - float(busy["value"][1]))
    assert float(job.idle_gpu_hours) == pytest.approx(idle, rel=0.01, abs=1e-6)
    assert job.of_plan == pytest.approx(Decimal(1), rel=Decimal("0.2"))


def test_what_is_longer_than_a_week_is_asked_week_by_week():
    """CloudWatch looks at no more than seven days in one request."""
    asked: list[tuple[str, float]] = []

    def get(path: str) -> bytes:
        words = dict(urllib.parse.parse_qsl(path.partition("?")[2]))
        asked.append((words["query"], float(words["time"])))
        row = {"metric": {"job_id": "7", "user": "ada"}, "value": [0, "240"]}
        return json.dumps({"data": {"result": [row]}}).encode()

    (job,) = uses(Prometheus("made up", get), "dev", 10_000_000.0, 10 * 24 * 3600, 15)

    assert job == JobUse("7", "ada", Decimal(2), Decimal(2), Decimal(1))
    assert {at for _, at in asked} == {10_000_000.0, 10_000_000.0 - 604_800}
    assert {query.partition("[")[2].partition("]")[0] for query, _ in asked} == {
        "604800s",
        "259200s",
    }


@contextmanager
def cloudwatch(server: Server) -> Iterator[tuple[str, list[str]]]:
    """Stand in for CloudWatch's host: what is signed goes on to the real Prometheus."""

    class Door(http.server.BaseHTTPRequestHandler):
        signed: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.signed.append(self.headers.get("Authorization", ""))
            if not self.signed[-1].startswith("AWS4-HMAC-SHA256 "):
                self.send_error(403)
                return
            with urllib.request.urlopen(server.url + self.path) as answer:  # noqa: S310 - loopback
                body = answer.read()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{door.server_port}", Door.signed
        door.shutdown()


def test_cloudwatch_is_asked_by_signed_requests(server: Server, monkeypatch: pytest.MonkeyPatch):
    with cloudwatch(server) as (url, signed):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        asked = source("cloudwatch", "us-west-2", None)

        assert uses(asked, CALM, START + HOUR, HOUR, EVERY)
    assert all("/us-west-2/monitoring/aws4_request" in each for each in signed)


def test_the_command_tells_and_writes_what_jobs_left_idle(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    name = "ultracluster"
    monkeypatch.setattr(LoginNode, "run", lambda *_: "ada|lab|train|COMPLETED|1|36000|0\n")
    monkeypatch.setattr(time, "time", lambda: START + HOUR)
    monkeypatch.setattr(command, "uses", lambda asked, _, *rest: uses(asked, CALM, *rest))
    file = tmp_path / "waste.html"
    words = ["waste", name, "--since", "1h", "--metrics", server.url]

    assert main([*words, "--html", str(file)]) == 0
    out = capsys.readouterr().out
    assert "Jobs with the most idle GPU hours" in out
    assert "<td>7</td><td>ada</td>" in file.read_text()
    assert main([*words, "--html", "-"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert main([*words, "--html", "-", "--json"]) == 2
    assert "--html - and --format json write to standard output" in capsys.readouterr().err
    assert main([*words, "--format", "json"]) == 0
    (job,) = json.loads(capsys.readouterr().out)["jobs"]
    assert job["job"] == "7"


def test_a_job_far_below_its_plan_is_marked():
    jobs = [
        JobUse(number, "ada", Decimal(8), Decimal(1), ratio)
        for number, ratio in (("1", Decimal("0.79")), ("2", Decimal("0.8")), ("3", None))
    ]
    marks = [str(row[-1]) for row in command._of_jobs(jobs).rows]

    assert marks == [command.FAR_BELOW, "", ""]
    assert f"< {command.BELOW} * " in alarms()["job-below-plan"].query


@pytest.mark.parametrize("address", ["cloud", "ftp://here", "http://127.0.0.1:9"])
def test_where_nobody_answers_is_told_in_a_line(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    name = "ultracluster"
    monkeypatch.setattr(LoginNode, "run", lambda *_: "")

    assert main(["waste", name, "--metrics", address]) == 2
    said = capsys.readouterr().err
    assert address in said
    assert "Traceback" not in said
