"""Nodes whose commands, /sys and /proc are stood in for, and what they measure of themselves."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.repository import ROOT

BOOT = ROOT / "constructs_lib" / "boot" / "node"
GPUS, CARDS = 8, 4
START = 1_790_000_000
CONF = "SLURM_BIN={bin}\nGPUS={gpus}\nFABRIC_MANAGER=1\nEFA_DEVICES={cards}\nLUSTRE=/fsx\n"
CONF += "LUSTRE_SOURCE=fs-1@tcp:/abc\nSCRATCH=/scratch\nENVIRONMENT='{environment}'\nROLE={role}\n"


def modules() -> tuple[ModuleType, ModuleType]:
    """Return the shipped program, and what it reads by, each loaded anew."""
    found = []
    for name in ("readings", "gpu_metrics", "metrics"):
        spec = importlib.util.spec_from_file_location(name, BOOT / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        # As they lie beside each other on a node; another node has its own.
        sys.modules[name] = loaded
        spec.loader.exec_module(loaded)
        found.append(loaded)
    return found[0], found[-1]


class FakeNode:
    """One node: what its commands answer, its folders, and a clock that tests set."""

    def __init__(self, folder: Path, environment: str, name: str, *, login: bool = False) -> None:
        self.folder, self.now, self.name = folder, 0.0, name
        self.answers: dict[str, str | Exception] = {}
        """Output of each command by its first words; an exception is raised instead."""
        self.hung: set[str] = set()
        """Collectors that wait for ever."""
        for part in ("proc", "fsx", "scratch", "run/ultracluster/metrics", "var/lib/dpkg"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.made(START - 20 * 86400)
        self.mount("/fsx lustre")
        (folder / "proc/loadavg").write_text("3.2 3.0 2.9 1/400 12\n")
        self.memory(available=900_000)
        for card in range(0 if login else CARDS):
            counters = folder / f"sys/class/infiniband/rdmap{card}s27/ports/1/hw_counters"
            counters.mkdir(parents=True, exist_ok=True)
            self.port(card, "4: ACTIVE")
            for counter in ("tx_bytes", "rx_bytes", "rx_drops", "lifespan"):
                (counters / counter).write_text("12\n")
        for gpu in range(GPUS):
            self.gpu(gpu)
        self.answers |= {
            "nvidia-smi nvlink": "".join(
                f"GPU {n}: NVIDIA A100\n\t Link 0: Replay Errors: 0\n\t Link 0: CRC Errors: 0\n"
                for n in range(GPUS)
            ),
            "journalctl": "systemd[1]: Started.\n",
            "timedatectl": "yes\n",
            "scontrol": "PID JOBID STEPID LOCALID GLOBALID\n",
            "lctl get_param -n osc.*.kbytesavail": "700\n650\n",
            "lctl get_param -n osc.*.kbytestotal": "1000\n1000\n",
            "lctl": "read_bytes 8 samples [b] 1 2 4096\nwrite_bytes 8 samples [b] 1 2 512\n",
            "sdiag": "Agent queue size:       2\nDBD Agent queue size:   0\n",
            "sinfo": "n1|idle|none\nn2|allocated|none\n",
            "squeue": "RUNNING|train|ada|None\nPENDING|train|ada|Priority\n",
        }
        (folder / "node.conf").write_text(
            CONF.format(
                bin=folder / "bin",
                gpus=0 if login else GPUS,
                cards=0 if login else CARDS,
                environment=environment,
                role="login" if login else "compute",
            )
        )
        self._readings: Any
        self._program: Any
        self._readings, self._program = modules()
        self._stand_in()
        self._node = self._program.Node(self._readings.settings())
        self._node.common["node"] = name

    def gpu(self, index: int, **fields: str) -> None:
        """Set what nvidia-smi says of a GPU."""
        values = {"utilization.gpu": "97", "memory.used": "35000", "memory.total": "40960"}
        values |= {"power.draw": "380.5", "temperature.gpu": "61", "clocks.sm": "1410"}
        values |= {"pcie.link.width.current": "16", "remapped_rows.pending": "0"}
        values |= {"ecc.errors.corrected.volatile.total": "3", "remapped_rows.failure": "0"}
        values |= {"ecc.errors.uncorrected.volatile.total": "0"}
        values |= {f"clocks_throttle_reasons.{r}": "Not Active" for r in ("hw_thermal_slowdown",)}
        values |= {f"clocks_throttle_reasons.{r}": "Not Active" for r in self.reasons}
        self.gpus = {**getattr(self, "gpus", {}), index: values | fields}

    reasons = ("hw_power_brake_slowdown", "sw_thermal_slowdown")

    def mount(self, line: str) -> None:
        (self.folder / "proc/mounts").write_text(f"10.0.0.1@tcp:/abcd {line} rw 0 0\n")

    def memory(self, *, available: int) -> None:
        text = f"MemTotal:  1000000 kB\nMemAvailable:  {available} kB\n"
        (self.folder / "proc/meminfo").write_text(text)

    def made(self, at: float) -> None:
        """Say when the image was made."""
        file = self.folder / "var/lib/dpkg/status"
        file.touch()
        os.utime(file, (at, at))

    def port(self, card: int, state: str) -> None:
        path = self.folder / f"sys/class/infiniband/rdmap{card}s27/ports/1/state"
        path.write_text(state + "\n")

    def counter(self, card: int, name: str, value: int) -> None:
        folder = self.folder / f"sys/class/infiniband/rdmap{card}s27/ports/1/hw_counters"
        (folder / name).write_text(f"{value}\n")

    def job(self, number: int, user: str) -> None:
        rows = f"PID JOBID STEPID LOCALID GLOBALID\n{os.getpid()} {number} 0 0 0\n"
        self.answers["scontrol"] = rows
        self._program.pwd = SimpleNamespace(getpwuid=lambda _: SimpleNamespace(pw_name=user))

    def error(self, words: str, text: str = "") -> Exception:
        """Return how a command fails, with what it printed."""
        failed: Exception = self._readings.CommandError(words, text)
        return failed

    def program(self, text: str, name: str = "rank0") -> None:
        """Write what a job's program says of itself."""
        file = self.folder / f"run/ultracluster/metrics/{name}.{os.getpid()}.prom"
        file.write_text(text)

    def scrape(self, now: float) -> str:
        """Return what is served at a time, every collector having looked just before."""
        self.now = now
        for collector in self._node.chosen:
            if collector.__name__ not in self.hung:
                self._node.look(collector)
        return str(self._node.text())

    def _stand_in(self) -> None:
        program = self._program
        self._readings.HERE = str(self.folder)
        self._readings.ROOT = program.ROOT = str(self.folder)
        program.RUN = str(self.folder / "run/ultracluster")
        self._readings.said = self._said
        clock = SimpleNamespace(time=lambda: self.now, sleep=lambda _: None)
        program.time = clock
        real = program.os
        program.os = SimpleNamespace(
            **{
                name: getattr(real, name)
                for name in ("path", "uname", "cpu_count", "environ", "stat")
            },
            statvfs=self._room,
        )
        self.rooms: dict[str, float] = {}

    def _room(self, path: str) -> SimpleNamespace:
        mount = path.removeprefix(str(self.folder)) or "/"
        return SimpleNamespace(f_bavail=int(1e6 * self.rooms.get(mount, 0.6)), f_blocks=10**6)

    def _said(self, *command: str, seconds: float = 60) -> str:  # noqa: ARG002
        text = " ".join(command)
        query = next((word for word in command if word.startswith("--query-")), None)
        if query is not None and "nvidia-smi" not in self.answers:
            names = query.partition("=")[2].split(",")
            rows = (
                {"index": str(n), "gpu_bus_id": f"00:{n}"} | row for n, row in self.gpus.items()
            )
            return "".join(", ".join(row[name] for name in names) + "\n" for row in rows)
        answer = next(out for head, out in self.answers.items() if text.startswith(head))
        if isinstance(answer, Exception):
            raise answer
        return answer
