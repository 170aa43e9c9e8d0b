"""The catalogue of a night: what is planted where, and what must be seen of it."""

# ruff: noqa: ARG001, ARG005 - all of them are asked alike

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.night.cluster import LOGIN, Night
from tests.training.slurm.jobs import Job

SPARE, BUSY, WHOLE = "an idle node", "a node of the job", "the cluster"
RANKS = "all ranks of the job"
PCI: Final = "NVRM: Xid (PCI:0000:10:1c): "
Act = Callable[[Night, Job, str], None]


@dataclass(frozen=True)
class Fault:
    """One fault of the night."""

    where: str
    plant: Act
    reason: str = ""
    """What Slurm's reason for the node must hold; empty where it stays in service."""
    alarms: tuple[str, ...] = ()
    """Alarms that may tell of it; one of them at least, where there is no reason."""
    mend: Act | None = None
    """What heals it, where the cluster cannot by itself; by whom is in `by`."""
    by: str = "the node's own check"
    restarts: bool = False
    """Whether the job starts again by it."""
    limit: int = 60
    """Seconds within which it must be seen."""


def _nothing(night: Night, job: Job, node: str) -> None:
    """Do nothing."""


def _xid(text: str) -> Act:
    return lambda night, job, node: night.nodes.log(node, PCI + text)


def _here(night: Night, node: str) -> Path:
    return night.nodes.folder / node


def _touch(name: str) -> Act:
    return lambda night, job, node: (_here(night, node) / name).touch()


def _take_away(name: str) -> Act:
    return lambda night, job, node: (_here(night, node) / name).unlink()


def _smi(gpus: int = 8, **changed: str) -> Act:
    fields = {name.replace("__", "."): value for name, value in changed.items()}

    def plant(night: Night, job: Job, node: str) -> None:
        (_here(night, node) / "smi").write_text("".join(night.nodes.rows({3: fields}, gpus)))

    return plant


def _sound(night: Night, job: Job, node: str) -> None:
    night.nodes.sound(_here(night, node))


def _link_down(night: Night, job: Job, node: str) -> None:
    links = _here(night, node) / "links"
    links.write_text(links.read_text().replace("25 GB/s", "<inactive>", 1))


def _port(state: str) -> Act:
    def plant(night: Night, job: Job, node: str) -> None:
        port = "sys/class/infiniband/rdmap2s27/ports/1/state"
        (_here(night, node) / port).write_text(state + "\n")

    return plant


def rank_on(night: Night, node: str) -> int:
    """Return the process of the rank on a node."""
    files = list((_here(night, node) / "run/ultracluster/metrics").glob("rank*.prom"))
    alive = [int(f.suffixes[0][1:]) for f in files if Path(f"/proc/{f.suffixes[0][1:]}").exists()]
    return alive[-1]


def _stop(night: Night, job: Job, node: str) -> None:
    os.kill(rank_on(night, node), signal.SIGSTOP)


def _kill_node(night: Night, job: Job, node: str) -> None:
    night.cut(node)
    night.cut(f"metrics-{node}")


def _new_node(night: Night, job: Job, node: str) -> None:
    night.nodes.mend(node)
    # A new instance has none of the old one's steps, whose sockets nobody answers.
    shutil.rmtree(night.folder / "spool" / node, ignore_errors=True)
    night.measure(node, night.places[node])
    night.power_on(node)


def _replace(night: Night, job: Job, node: str) -> None:
    _kill_node(night, job, node)
    _new_node(night, job, node)
    night.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")


def _cut(daemon: str) -> Act:
    return lambda night, job, node: night.cut(daemon)


def _without_accounting(night: Night, job: Job, node: str) -> None:
    """Take slurmdbd away, and let the controller have something to tell it."""
    night.cut("slurmdbd")
    night.ask("sbatch", "--hold", "--output=/dev/null", "--wrap=true")


def _start(daemon: str) -> Act:
    return lambda night, job, node: night._start(daemon, daemon, "-D")


def _start_login(night: Night, job: Job, node: str) -> None:
    night.measure(LOGIN, night.places[LOGIN])


def _nan(night: Night, job: Job, node: str) -> None:
    (job.work / "nan").touch()


OUT = ("node-out-of-service",)
REPLACED: Final = "a new instance of the name"
ROUNDS: Final[tuple[dict[str, Fault], ...]] = (
    {
        "Xid 48, an uncorrected memory error": Fault(
            SPARE,
            _xid("48, pid=7, name=python"),
            "reset: Xid 48",
            (*OUT, "xid-needs-action"),
        ),
        "Xid 79, a GPU off the bus": Fault(
            SPARE, _xid("79, gone"), "reboot: Xid 79", (*OUT, "xid-needs-action")
        ),
        "Xid 54, power": Fault(
            SPARE,
            _xid("54, power cable"),
            "replace: Xid 54",
            (*OUT, "xid-needs-action"),
            _replace,
            by="an operator, by the alarm: " + REPLACED,
        ),
        "a rank is stopped": Fault(
            BUSY,
            _stop,
            alarms=("job-hangs",),
            by="the run itself: it names the rank, ends with 76 and starts without the node",
            restarts=True,
        ),
    },
    {
        "a GPU is lost": Fault(SPARE, _smi(7), "reboot: 7 GPUs", (*OUT, "gpu-lost")),
        "NVLink is down": Fault(SPARE, _link_down, "reset: NVLink", OUT),
        "Xid 154 asks for a reboot": Fault(
            SPARE,
            _xid("154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"),
            "reboot: Xid 154",
            (*OUT, "xid-needs-action"),
        ),
        "Xid 31, a program's fault": Fault(
            BUSY, _xid("31, pid=7, name=python"), mend=_nothing, by="nobody: the node is sound"
        ),
    },
    {
        "Lustre hangs": Fault(
            SPARE,
            _touch("stuck"),
            "drain: Lustre at /fsx",
            (*OUT, "lustre-away"),
            _take_away("stuck"),
            by="a file system that answers",
        ),
        "the disk is full": Fault(
            SPARE,
            lambda night, job, node: void((_here(night, node) / "room").write_text("12")),
            "drain: 12 MiB",
            OUT,
            _take_away("room"),
            by="somebody who made room",
        ),
        "an EFA port is down": Fault(
            SPARE,
            _port("1: DOWN"),
            "reboot: 3 active EFA devices",
            (*OUT, "efa-down"),
        ),
        "the clock drifts": Fault(
            SPARE,
            _touch("no-time"),
            "drain: the clock",
            (*OUT, "clock-drifts"),
            _take_away("no-time"),
            by="its time service",
        ),
        "a node of the job is killed": Fault(
            BUSY, _kill_node, "Not responding", OUT, _new_node, by=REPLACED, restarts=True
        ),
    },
    {
        "slurmctld restarts": Fault(
            WHOLE,
            _cut("slurmctld"),
            alarms=("slurm-silent",),
            mend=_start("slurmctld"),
            by="whoever runs it (AWS PCS)",
            limit=300,
        ),
    },
    {
        "a GPU is throttled by heat (a rank is slow)": Fault(
            BUSY,
            _smi(clocks_throttle_reasons__hw_thermal_slowdown="Active"),
            alarms=("gpu-throttled",),
            mend=_sound,
            by="a cooler GPU",
            limit=300,
        ),
        "the login node is lost": Fault(
            WHOLE,
            _cut(f"metrics-{LOGIN}"),
            alarms=("login-unreachable",),
            mend=_start_login,
            by=REPLACED,
            limit=300,
        ),
    },
    {
        "slurmdbd is gone": Fault(
            WHOLE,
            _without_accounting,
            alarms=("accounting-stuck",),
            mend=_start("slurmdbd"),
            by="whoever runs it (AWS PCS); jobs go on without it",
            limit=300,
        ),
        "the loss is NaN": Fault(
            RANKS, _nan, alarms=("loss-not-finite",), mend=_nothing, by="the program ends with 65"
        ),
    },
)


def void(_: object) -> None:
    """Have no value."""
