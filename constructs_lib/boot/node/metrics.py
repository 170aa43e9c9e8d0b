#!/usr/bin/env python3
"""Serves what a node measures of itself, in Prometheus's text format, to the CloudWatch agent.

Every series carries environment, node, and the job and user that run there. A collector has a
thread of its own: one that waits for a driver or a file system that hangs delays nothing else, its
series end, and its age (ultracluster_collector_age_seconds) tells which it is.

Needs Python 3.9, readings.py and gpu_metrics.py.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from glob import glob
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import readings
from gpu_metrics import Row, gpus, nvlinks, remapping, throttling, xids
from readings import HERE, ROOT, Conf

Collector = Callable[[Conf], Iterator[Row]]
RUN = ROOT + "/run/ultracluster"
STALE, LAST_WORDS = 105, 300
PORT = int(os.environ.get("PORT", "9850"))
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
"""All that Prometheus's text format knows."""
AGENT = "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"


def efa(conf: Conf) -> Iterator[Row]:
    """Yield the fabric's devices and their counters."""
    for path in glob(ROOT + "/sys/class/infiniband/*/ports/1/hw_counters/*"):
        name = os.path.basename(path)
        # P4d has no counters of retransmissions; what is there is sent.
        if re.fullmatch(r"[rt]x_(bytes|drops)|retrans_.*|.*_remote_.*|.*_wr_err", name):
            yield "efa_" + name, {"device": path.split("/")[-5]}, int(readings.read(path))
    yield "efa_active", {}, readings.active_ports()
    yield "efa_expected", {}, int(conf["EFA_DEVICES"])


def lustre(conf: Conf) -> Iterator[Row]:
    """Yield whether the shared file system is mounted, its room and its traffic."""
    mounted = readings.mounted(conf["LUSTRE"], "lustre")
    yield "lustre_mounted", {}, int(mounted)
    if mounted:
        yield from room(ROOT + conf["LUSTRE"], conf["LUSTRE"])
        for share in readings.fullest_target():
            yield "lustre_target_free_ratio", {}, share
        for line in readings.said("lctl", "get_param", "-n", "llite.*.stats").splitlines():
            cells = line.split()
            if cells and cells[0] in ("read_bytes", "write_bytes"):
                yield "lustre_" + cells[0], {}, int(cells[6])


def room(path: str, mount: str) -> Iterator[Row]:
    """Yield the share of a file system that is free."""
    found = os.statvfs(path)
    yield "filesystem_free_ratio", {"mount": mount}, found.f_bavail / max(found.f_blocks, 1)


def machine(conf: Conf) -> Iterator[Row]:
    """Yield disks, load, memory, clock, and how old the image's packages are."""
    for mount in filter(None, ("/", conf["SCRATCH"])):
        yield from room(ROOT + mount, mount)
    yield "load_ratio", {}, readings.load() / (os.cpu_count() or 1)
    yield "memory_available_ratio", {}, readings.memory()
    synchronized = readings.said("timedatectl", "show", "--property=NTPSynchronized", "--value")
    yield "clock_synchronized", {}, int(synchronized.strip() == "yes")
    if (changed := readings.packages_changed()) > 0:
        yield "packages_age_seconds", {}, time.time() - changed


def slurm(conf: Conf) -> Iterator[Row]:
    """Ask the controller, from a login node: compute nodes leave it to its jobs."""
    counts: dict[str, set[str]] = {}
    nodes = readings.said("sinfo", "-h", "-N", "-o", "%N|%T|%E")
    # A reason may have lines of its own.
    for name, state, reason in re.findall(r"^([^|\n]+)\|([^|\n]+)\|(.*)", nodes, re.MULTILINE):
        counts.setdefault(state.strip("*~#!%$@^-"), set()).add(name)
        if re.match("drain|down|fail|unknown", state) or "*" in state:
            labels = {"slurm_node": name, "state": state, "reason": reason[:120]}
            yield "slurm_node_unfit", labels, 1
    for state, names in counts.items():
        yield "slurm_nodes", {"state": state}, len(names)
    jobs = Counter(readings.said("squeue", "-h", "-o", "%T|%P|%u|%r").splitlines())
    for line, count in jobs.items():
        state, queue, user, reason = line.split("|", 3)
        labels = {"state": state, "queue": queue, "slurm_user": user, "reason": reason}
        yield "slurm_jobs", labels, count
    yield "slurm_accounting_queue", {}, readings.kept_for_slurmdbd()


def texts(conf: Conf) -> Iterator[Row]:
    """Yield what programs write into NAME.PID.prom; of one that ended, if its loss was finite.

    Any user may write there: a file that is none takes nothing from those of others.
    """
    for path in filter(os.path.isfile, glob(RUN + "/metrics/*.*.prom")):
        try:
            yield from text(path)
        except (OSError, ValueError, IndexError) as error:
            print(f"{path}: {error}", flush=True)


def text(path: str) -> Iterator[Row]:
    """Yield what one program wrote."""
    program, pid = os.path.basename(path).split(".")[-3:-1]
    written = os.stat(path).st_mtime
    state = readings.state(pid, written)
    if not state and time.time() - written > LAST_WORDS:
        return
    if state in {*"DTtZ"}:  # In a hang the others wait and compute; this one is the odd one.
        yield "program_state", {"program": program, "state": state}, 1
    for line in readings.read(path).splitlines():
        found = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
        if found and (state or found[1].endswith("job_loss_finite")):
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
            yield found[1].removeprefix("ultracluster_"), labels, float(found[3])


def jobs(conf: Conf) -> Iterator[Row]:
    """Yield the job and the user of each process that Slurm started here; asks this node alone."""
    for pid, job in readings.job_processes(some=True).items():
        try:
            user = pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name
        except (KeyError, OSError):
            continue
        yield "", {"job_id": job, "user": user}, 1


def collectors(conf: Conf) -> list[Collector]:
    """Return what a node of this kind can measure."""
    chosen: list[Collector] = [machine, texts]
    for setting, some in (
        ("GPUS", [gpus, throttling, remapping, nvlinks, xids]),
        ("EFA_DEVICES", [efa]),
        ("LUSTRE", [lustre]),
        ("SLURM_BIN", [slurm if conf.get("ROLE") == "login" else jobs]),
    ):
        chosen += some if conf[setting] not in ("", "0") else []
    return chosen


class Node:
    """What the collectors found last."""

    def __init__(self, conf: Conf) -> None:
        self.conf, self.began = conf, time.time()
        self.found: dict[str, tuple[float, list[Row]]] = {}
        self.common = {"environment": conf.get("ENVIRONMENT", ""), "node": os.uname().nodename}
        self.chosen = collectors(conf)

    def look(self, collector: Collector) -> None:
        """Let a collector look once; where it cannot, its last rows stay until they are old."""
        try:
            rows = list(collector(self.conf))
        except Exception as error:  # the others go on, and its age tells
            print(f"{collector.__name__}: {error}", flush=True)
        else:
            self.found[collector.__name__] = time.time(), rows

    def watch(self, collector: Collector) -> None:
        """Let a collector look for ever."""
        while True:
            self.look(collector)
            time.sleep(int(self.conf.get("EVERY", "15")))

    def running(self) -> dict[str, str]:
        """Return the jobs of this node and their users, empty where there are none."""
        rows = self.found.get("jobs", (0, []))[1]
        names = ("job_id", "user")
        return {name: ",".join(sorted({own[name] for _, own, _ in rows})) for name in names}

    def text(self) -> str:
        """Return all that is known now, in Prometheus's format."""
        now, labels = time.time(), {**self.common, **self.running()}
        rows: list[Row] = [("up", {"role": self.conf.get("ROLE", "compute")}, 1)]
        for collector in self.chosen:
            name = collector.__name__
            at, found = self.found.get(name, (self.began, []))
            rows.append(("collector_age_seconds", {"collector": name}, now - at))
            rows += found if now - at < STALE and name != "jobs" else []
        return "".join(line(name, {**labels, **own}, value) for name, own, value in rows)


def line(name: str, labels: dict[str, str], value: float) -> str:
    """Return one sample in Prometheus's format."""
    pairs = ",".join(f'{key}="{str(text).translate(ESCAPES)}"' for key, text in labels.items())
    return f"ultracluster_{name}{{{pairs}}} {float(value)!r}\n"


def install() -> None:
    """Start this program, and let the CloudWatch agent read what it serves."""
    scrapes, every = HERE + "/scrapes.yaml", readings.settings().get("EVERY", "15")
    node = {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{PORT}"]}]}
    # JSON is YAML as well (CloudWatch User Guide, agent, OpenTelemetry section, read 2026-11-27).
    agent = {"opentelemetry": {"collect": {"prometheus": {"config_path": scrapes}}}}
    for path, value in (
        (scrapes, {"global": {"scrape_interval": f"{every}s"}, "scrape_configs": [node]}),
        (HERE + "/agent.json", agent),
    ):
        with open(path, "w") as file:
            json.dump(value, file)
    # Jobs of every user write there; in a folder that is sticky nobody removes what others wrote.
    os.makedirs(RUN + "/metrics", exist_ok=True)
    os.chmod(RUN + "/metrics", 0o1777)  # noqa: S103
    program = ["/usr/bin/python3", os.path.abspath(__file__)]
    unit = ["--unit=ultracluster-metrics", "--property=Restart=always", "--property=RestartSec=5"]
    subprocess.run(["systemctl", "stop", "ultracluster-metrics"], check=False)
    subprocess.run(["systemd-run", *unit, *program], check=True)
    configuration = ["-a", "fetch-config", "-m", "ec2", "-s", "-c", f"file:{HERE}/agent.json"]
    subprocess.run([AGENT, *configuration], check=True)


def main() -> None:
    """Serve for ever."""
    conf = readings.settings()
    os.environ["PATH"] = f"{conf['SLURM_BIN']}:/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ["PATH"]
    node = Node(conf)
    for collector in node.chosen:
        threading.Thread(target=node.watch, args=(collector,), daemon=True).start()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(node.text().encode())

        def log_message(self, *arguments: object) -> None:
            """Keep the journal for what goes wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    install() if sys.argv[1:] == ["install"] else main()
