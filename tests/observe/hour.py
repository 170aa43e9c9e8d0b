"""An hour of a cluster, and of clusters with a fault each, in a real Prometheus.

The nodes' program is the shipped one; its commands and the clock are stood in for, so that an hour
takes seconds. Prometheus takes the samples from a file, as if it had scraped them.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.observe.node import START, FakeNode
from ultracluster.catalogue.alarms import alarms

EVERY: Final = 15
"""Seconds between two scrapes, as on a node."""
FAULT_AFTER: Final = 120
"""Seconds of health before a fault."""
CALM: Final = "calm"
HOUR: Final = 3600
RANKS: Final = 4
STEP: Final = 5.0
ALARMS: Final = alarms()


Fault = Callable[["Cluster"], object]


class Cluster:
    """Two nodes with a job of four ranks, and a login node."""

    def __init__(self, folder: Path, environment: str) -> None:
        self.environment = environment
        self.nodes = [FakeNode(folder / name, environment, name) for name in ("n1", "n2")]
        self.login: FakeNode | None = FakeNode(folder / "login", environment, "login", login=True)
        self.busy = [4.0, 4.02, 4.01, 4.05]
        self.due = [0.0] * RANKS
        self.frozen: set[int] = set()
        self.job = {"step_seconds": STEP, "mfu_ratio": 0.42, "planned_mfu_ratio": 0.44}
        self.job |= {"loss_finite": 1, "loss": 2.5, "tokens_per_second": 180_000}
        self.job |= {"checkpoint_interval_seconds": 300, "data_wait_seconds": 0.02}
        self.saved, self.saves = float(START), True
        self.goes_on: list[Fault] = []
        """What changes before each scrape."""
        for node in self.nodes:
            node.job(7, "ada")

    def text(self, now: float) -> Iterator[str]:
        """Yield what each node serves at a time."""
        for change in self.goes_on:
            change(self)
        if self.saves and now - self.saved >= 300:
            self.saved = now
        for rank in range(RANKS):
            if rank not in self.frozen:
                # A save every five minutes takes 20 s, which the program announces.
                self.due[rank] = now + 3 * STEP + 30 + (20 if now - self.saved < EVERY else 0)
            node = self.nodes[rank // 2]
            labels = f'rank="{rank}",gpu="{rank % 2}"'
            lines = [
                f"ultracluster_rank_due_seconds{{{labels}}} {self.due[rank]}",
                f"ultracluster_rank_busy_seconds{{{labels}}} {self.busy[rank]}",
            ]
            if rank == 0:
                lines += [f"ultracluster_job_{name} {value}" for name, value in self.job.items()]
                lines.append(f"ultracluster_job_checkpoint_time_seconds {self.saved}")
            node.program("\n".join(lines) + "\n", f"rank{rank}")
        for each in (*self.nodes, self.login):
            if each is not None:
                yield each.scrape(now)


@dataclass(frozen=True)
class Planted:
    """A fault, and the alarms that must fire by it; others must not."""

    alarms: tuple[str, ...]
    plant: Fault
    seconds: int = 900


def samples(folder: Path, faults: Mapping[str, Planted], hour: int = 3600) -> Iterator[str]:
    """Yield the samples of all clusters, as OpenMetrics with times, series by series."""
    series: dict[str, list[str]] = {}
    for name, planted in {CALM: None, **faults}.items():
        cluster = Cluster(folder / name, name)
        length = hour if planted is None else FAULT_AFTER + planted.seconds
        for after in range(0, length + 1, EVERY):
            if planted is not None and after == FAULT_AFTER:
                planted.plant(cluster)
            for text in cluster.text(START + after):
                for line in text.splitlines():
                    key, value = line.rsplit(" ", 1)
                    series.setdefault(key, []).append(f"{value} {START + after}")
        shutil.rmtree(folder / name)
    kinds: dict[str, list[str]] = {}
    for key in series:
        kinds.setdefault(key.partition("{")[0], []).append(key)
    for kind, keys in kinds.items():
        yield f"# TYPE {kind} gauge\n"
        for key in keys:
            yield from (f"{key} {row}\n" for row in series[key])
    yield "# EOF\n"


@contextmanager
def prometheus(folder: Path, lines: Iterator[str]) -> Iterator["Server"]:
    """Run a Prometheus that holds the samples, on loopback, until the block ends."""
    text, data = folder / "samples.txt", folder / "data"
    with text.open("w") as file:
        file.writelines(lines)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("{}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"config.file": str(folder / "prometheus.yml"), "storage.tsdb.path": str(data)}
    options |= {"web.listen-address": f"127.0.0.1:{port}", "storage.tsdb.retention.time": "50y"}
    process = subprocess.Popen(
        ["/usr/bin/prometheus", *(f"--{name}={value}" for name, value in options.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = Server(f"http://127.0.0.1:{port}")
        server.wait()
        yield server
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Server:
    """A Prometheus, asked by its API."""

    url: str

    def wait(self) -> None:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=1)  # noqa: S310 - loopback
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("Prometheus did not start")

    def ask(self, path: str, **parameters: object) -> Any:
        """Return the result of a query."""
        words = urllib.parse.urlencode(parameters)
        url = f"{self.url}/api/v1/{path}?{words}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)["data"]["result"]

    def over(self, query: str, length: int, step: int = EVERY) -> Any:
        """Return the series of a query from the start, for some seconds."""
        return self.ask("query_range", query=query, start=START, end=START + length, step=step)


def fires(server: Server, alarm: str, environment: str, length: int) -> int | None:
    """Return after how many seconds an alarm fires in a cluster; None where it stays silent.

    A series fires once the query returned it for the pending time without a gap, as CloudWatch's
    contributors do (CloudWatch guide, PromQL alarms, read 2026-11-27).
    """
    rule = ALARMS[alarm]
    times = []
    for series in server.over(rule.of(environment), length):
        began = before = None
        for at, _ in series["values"]:
            if before is None or at - before > EVERY:
                began = at
            before = at
            assert began is not None
            if at - began >= rule.pending:
                times.append(int(at) - START)
                break
    return min(times, default=None)
