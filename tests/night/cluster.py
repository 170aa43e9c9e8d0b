"""Eight nodes of a real Slurm with its accounting, and the real monitoring beside it.

Debian's slurmctld, slurmd, slurmdbd, MariaDB, Prometheus and Alertmanager, and the shipped programs
of nodes; GPUs, EFA, Lustre, systemd and the reboot of a machine are stood in for.
"""

import http.server
import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Final, Self

from constructs_lib.slurm_cluster import SETTINGS
from tests.training.slurm import cluster
from tests.training.slurm.accounting import DBD, Accounting
from tests.training.slurm.cluster import free_ports, until
from tests.training.slurm.machine import GPUS, Machine
from ultracluster.catalogue.alarms import alarms

NODES: Final = tuple(f"n{number}" for number in range(1, 9))
LOGIN: Final = "login"
ENVIRONMENT: Final = "night"
ACCOUNTING: Final = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database}
AccountingStoragePass={folder}/munge/socket
"""
SMI: Final = """#!/bin/bash
here={folder}/$SLURMD_NODENAME
for word; do case $word in --query-*=*) fields=${{word#*=}} ;; esac; done
case "$*" in
  *nvlink*-e*) awk '/^GPU/ {{ print; print " Link 0: CRC Errors: 0" }}' "$here/links" ;;
  *nvlink*) cat "$here/links" ;;
  *compute-apps*) cat "$here/apps" ;;
  *gpu-reset*) echo reset >>"$here/did"; cp "$here"/sound/* "$here" ;;
  *) awk -v fields="$fields" -f {folder}/bin/fields "$here/smi" ;;
esac
"""
FIELDS: Final = """
# GPU FIELD VALUE, one a line: prints a row for each GPU with the fields that are asked for.
BEGIN { FS = "|"; count = split(fields, name, ",") }
{ value[$1, $2] = $3; if (!($1 in seen)) { seen[$1] = 1; order[++gpus] = $1 } }
END {
  for (g = 1; g <= gpus; g++) {
    row = ""
    for (f = 1; f <= count; f++) row = row (f > 1 ? ", " : "") value[order[g], name[f]]
    print row
  }
}
"""
SOUND: Final = {
    "utilization.gpu": "97",
    "memory.used": "35000",
    "memory.total": "40960",
    "power.draw": "380.5",
    "temperature.gpu": "61",
    "clocks.sm": "1410",
    "pcie.link.width.current": "16",
    "pcie.link.width.max": "16",
    "remapped_rows.pending": "0",
    "remapped_rows.failure": "0",
    "ecc.errors.corrected.volatile.total": "3",
    "ecc.errors.uncorrected.volatile.total": "0",
    "clocks_throttle_reasons.hw_thermal_slowdown": "Not Active",
    "clocks_throttle_reasons.hw_power_brake_slowdown": "Not Active",
    "clocks_throttle_reasons.sw_thermal_slowdown": "Not Active",
}


class Nodes(Machine):
    """What the nodes' programs look at, for those that check and those that measure."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.command("nvidia-smi", SMI.format(folder=folder))
        self.command("fields", FIELDS)
        stuck = f"[[ ! -e {folder}/$SLURMD_NODENAME/stuck ]] || exec sleep 600\n"
        said = '[[ $* == *kbytes* ]] && echo 1000 || echo "read_bytes 8 samples [b] 1 2 4096"\n'
        self.command("lctl", f"#!/bin/bash\n{stuck}{said}")
        conf = self.folder / "boot" / "node.conf"
        # The times of a node, but for a machine of two cores that carries all of them.
        text = conf.read_text().replace("GPU_SECONDS=30", "GPU_SECONDS=40")
        text = text.replace("SECONDS_EACH=30", "SECONDS_EACH=15")
        conf.write_text(f"{text}ENVIRONMENT={ENVIRONMENT} EVERY=15\n")
        for node in NODES:
            self.mend(node)
        login = self.folder / LOGIN
        login.mkdir()
        nothing = "GPUS=0 FABRIC_MANAGER=0 EFA_DEVICES=0 LUSTRE= SCRATCH= ROLE=login EVERY=15"
        named = f"SLURM_BIN={folder}/bin {nothing} ENVIRONMENT={ENVIRONMENT}\n"
        (login / "node.conf").write_text(named)
        (login / "proc").mkdir()
        self.measurable(login)

    def mend(self, node: str) -> None:
        super().mend(node)
        here = self.folder / node
        for name in ("fsx", "scratch", "run/ultracluster/metrics"):
            (here / name).mkdir(parents=True, exist_ok=True)
        (here / "node.conf").symlink_to(self.folder / "boot" / "node.conf")
        self.measurable(here)
        (here / "sound").mkdir()
        self.sound(here / "sound")
        # A reset leaves the kernel's log as it is.
        (here / "sound" / "log").unlink()

    def forget(self, node: str) -> None:
        """Take the ledger of a node away, and what its kernel wrote for an earlier fault."""
        (self.folder / node / "log").write_text("")
        (self.folder / node / "var" / "lib" / "ultracluster" / "repairs.jsonl").unlink(
            missing_ok=True
        )

    def measurable(self, here: Path) -> None:
        """Write what the metrics read beside what the checks do."""
        (here / "proc" / "loadavg").write_text("3.2 3.0 2.9 1/400 12\n")
        (here / "proc" / "meminfo").write_text("MemTotal:  1000 kB\nMemAvailable:  900 kB\n")

    def sound(self, folder: Path) -> None:
        super().sound(folder)
        (folder / "smi").write_text("".join(self.rows({})))

    def rows(self, changed: dict[int, dict[str, str]], gpus: int = GPUS) -> list[str]:
        """Return the lines that answer nvidia-smi, with some values of some GPUs changed."""
        return [
            f"{gpu}|{field}|{value}\n"
            for gpu in range(gpus)
            for field, value in {
                "index": str(gpu),
                "gpu_bus_id": f"0000:{gpu}0:1c.0",
                **SOUND,
                **changed.get(gpu, {}),
            }.items()
        ]


class Night(Accounting):
    """The cluster and its monitoring, for as long as the context lasts."""

    def __init__(self, folder: Path, *, every: str = SETTINGS["HealthCheckInterval"]) -> None:
        self.nodes = Nodes(folder / "nodes")
        super().__init__(folder, {})
        self.every = every
        # slurmd tells a health check where it is, and not which of this machine's Slurms it is of.
        self.nodes.prolog.write_text(
            self.nodes.prolog.read_text().replace(
                "ROOT=", f"SLURM_CONF={folder}/etc/slurm.conf ROOT=", 1
            )
        )
        self.told: list[dict[str, Any]] = []
        """What Alertmanager sent, with the time at which it arrived."""

    def __enter__(self) -> Self:
        for name in ("etc", "state", "spool", "log"):
            (self.folder / name).mkdir(exist_ok=True)
        self.ports = free_ports(6 + 2 * len(NODES))
        controller, database, mariadb, *rest = self.ports
        known = {"folder": self.folder, "host": os.uname().nodename.partition(".")[0]}
        known |= {"user": "root", "controller": controller, "database": database}
        known |= {"mariadb": mariadb, "prolog": self.nodes.prolog}
        self.conf.write_text(self._slurm_conf(known, rest[: len(NODES)]))
        dbd = self.conf.with_name("slurmdbd.conf")
        dbd.write_text(DBD.format(**known))
        dbd.chmod(0o600)
        try:
            self.start_munge()
            self._mariadb(mariadb)
            self._start("slurmdbd", "slurmdbd", "-D")
            until("slurmdbd", lambda: self._answers("sacctmgr", "show", "cluster"))
            self._start("slurmctld", "slurmctld", "-D")
            for node in NODES:
                self.power_on(node)
            until("eight idle nodes", lambda: set(self.states().values()) == {"idle"})
        except BaseException:
            self.stop()
            raise
        return self

    def _slurm_conf(self, known: dict[str, Any], ports: list[int]) -> str:
        head = cluster.CONF.partition("NodeName=")[0].format(ports=known_ports(known), **known)
        told = {name: value for name, value in SETTINGS.items() if name != "Prolog"}
        told |= {"HealthCheckInterval": self.every, "RebootProgram": "/bin/true"}
        told |= {"ResumeTimeout": "300", "MessageTimeout": "20", "SlurmdTimeout": "30"}
        told = {
            name: str(self.nodes.prolog) if value.endswith("check.py") else value
            for name, value in told.items()
        }
        scheduler = told.pop("SchedulerParameters")
        lines = [
            line.replace("SchedulerParameters=", f"SchedulerParameters={scheduler},")
            for line in head.splitlines()
            if line.partition("=")[0] not in told
        ]
        lines += [f"{name}={value}" for name, value in told.items()]
        lines += ACCOUNTING.format(**known).splitlines()
        lines += [
            f"NodeName={node} NodeHostname={known['host']} NodeAddr=127.0.0.1 Port={port} CPUs=2"
            for node, port in zip(NODES, ports, strict=True)
        ]
        lines.append(f"PartitionName=train Nodes={','.join(NODES)} Default=YES State=UP")
        return "\n".join(lines) + "\n"

    def states(self) -> dict[str, str]:
        """Return the state of each node; nothing where the controller is away."""
        ask = ["sinfo", "--noheader", "--Node", "--format=%N %t"]
        done = subprocess.run(
            ask, env=self.environment(), text=True, capture_output=True, check=False
        )
        return dict(row.split(maxsplit=1) for row in done.stdout.splitlines())

    def end_of(self, job: int) -> str:
        """Wait for a job's end, and return its state and status by Slurm's accounting.

        The controller forgets a job some minutes after its end (MinJobAge).
        """
        ask = ("sacct", f"--jobs={job}", "--allocations", "--noheader", "--parsable2")
        told = ""

        def over() -> bool:
            nonlocal told
            told = self.ask(*ask, "--format=State,ExitCode").replace("|", " with ")
            return bool(told) and not told.startswith(("PENDING", "RUNNING", "REQUEUED"))

        until(f"end of job {job}", over)
        return told

    def reboot(self, node: str) -> None:
        """Do what a node does whose Slurm reboots it: it comes back with an empty kernel's log."""
        self.cut(node)
        self.nodes.boot(node, time.time() + 1)
        here = self.nodes.folder / node
        self.nodes.sound(here)
        for state in here.glob("sys/class/infiniband/*/ports/1/state"):
            state.write_text("4: ACTIVE\n")
        self._start(node, "slurmd", "-D", "-N", node, "-b")

    def reboot_whom_slurm_wants(self) -> None:
        """Reboot the nodes that Slurm has asked to."""
        for node, state in self.states().items():
            if state.startswith("boot^"):
                self.reboot(node)

    def watch(self) -> None:
        """Start the monitoring: the nodes' own programs, Prometheus and Alertmanager."""
        manager, prometheus, listener, *_ = free_ports(3)
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        places = {}
        for node, port in zip((*NODES, LOGIN), free_ports(len(NODES) + 1), strict=True):
            self.measure(node, port)
            places[node] = port
        self.places = places
        self._listen(listener)
        etc = self.folder / "etc"
        receiver = {"name": "n", "webhook_configs": [{"url": f"http://127.0.0.1:{listener}"}]}
        route = {"receiver": "n", "group_by": ["..."], "group_wait": "0s", "group_interval": "5s"}
        _write(etc / "alertmanager.yml", {"route": route, "receivers": [receiver]})
        rules = [
            {"alert": name, "expr": alarm.of(ENVIRONMENT), "for": f"{alarm.pending}s"}
            for name, alarm in alarms().items()
        ]
        _write(etc / "rules.yml", {"groups": [{"name": "night", "rules": rules}]})
        scraped = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"node": node}}
            for node, port in places.items()
        ]
        at_manager = [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]
        configuration = {
            "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
            "rule_files": [str(etc / "rules.yml")],
            "alerting": {"alertmanagers": at_manager},
            "scrape_configs": [{"job_name": "node", "static_configs": scraped}],
        }
        _write(etc / "prometheus.yml", configuration)
        loopback = "127.0.0.1"
        self._start(
            "alertmanager",
            "prometheus-alertmanager",
            f"--config.file={etc}/alertmanager.yml",
            f"--storage.path={self.folder}/alertmanager",
            f"--web.listen-address={loopback}:{manager}",
            "--cluster.listen-address=",
        )
        self._start(
            "prometheus",
            "prometheus",
            f"--config.file={etc}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/prometheus",
            f"--web.listen-address={loopback}:{prometheus}",
        )

    def measure(self, node: str, port: int) -> None:
        """Start the program by which a node measures itself."""
        here = self.nodes.folder / node
        environment = {"HERE": str(here), "ROOT": str(here), "PORT": str(port)}
        environment["SLURMD_NODENAME"] = node
        with_these = [f"{name}={value}" for name, value in environment.items()]
        program = str(self.nodes.folder / "boot" / "metrics.py")
        self._start(f"metrics-{node}", "/usr/bin/env", *with_these, "/usr/bin/python3", program)

    def _listen(self, port: int) -> None:
        told = self.told

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend({**each, "arrived": time.time()} for each in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def known_ports(known: dict[str, Any]) -> list[int]:
    return [known["controller"]]


def _write(path: Path, value: object) -> None:
    """Write a configuration: what is JSON is YAML as well."""
    path.write_text(json.dumps(value))
