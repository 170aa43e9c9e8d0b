"""How the programs of a node read its commands, its GPUs, the kernel's log and mounts.

Shared by what checks the node (check.py) and what measures it (metrics.py). Python 3.9 and its
standard library alone: the node fetches nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator  # noqa: TC003 - as in the others
from glob import glob

Conf = dict[str, str]

HERE = os.environ.get("HERE") or os.path.dirname(os.path.abspath(__file__))
ROOT = os.environ.get("ROOT", "")
MIB = 2**20

# What to do, from nothing to most. "watch" and "application" leave the node as it is: the one is no
# fault, the other one of the job, which starts again by itself.
ACTIONS = ("watch", "application", "drain", "reset", "reboot", "replace")
# NVIDIA, "Analyzing Xid errors with the Xid catalog", read 2026-11-26: the immediate action for
# A100 and later. 64 and 48 mean a replacement where they come again, which the node's ledger sees
# to; 54 is a power cable, which nobody checks on EC2; 144 to 150 are of Blackwell's NVLink. A
# number that is not here is one of the application, or of nobody.
XIDS = {
    "watch": (43, 45, 63, 66, 67, 92, 106, 107, 108, 137, 141, 157, 160, 161, 171, 172),
    "reset": (46, 48, 62, 64, 74, 94, 95, 109, 119, 120, 140, *range(144, 151), 158),
    "reboot": (79, 151),
    "replace": (54,),
}
ACTION_OF = {number: action for action, numbers in XIDS.items() for number in numbers}
EVENT = re.compile(
    r"NVRM: Xid \((?:PCI:)?(?P<gpu>[^)]+)\): (?P<xid>\d+)(?P<text>.*)"
    r"|SXid \((?:PCI:)?(?P<switch>[^)]+)\): (?P<sxid>\d+)(?P<rest>.*)"
)


OF_A_USER = "user"
"""How what is wrong with a job's user begins: without a job no check finds it, or finds it well."""


class CommandError(OSError):
    """A command that did not end with 0, or not in time."""

    def __init__(self, words: str, text: str = "") -> None:
        super().__init__(words)
        self.text = text
        """What it printed."""


def read(path: str) -> str:
    """Return what a file holds, 1 MiB of it at most."""
    with open(path) as file:
        return file.read(MIB)


def state(pid: str, at: float) -> str:
    """Return the state of the process of a number, as one letter; empty if it began after a time.

    Numbers of processes come again; proc(5) has the fields.
    """
    try:
        cells = read(f"/proc/{pid}/stat").rpartition(") ")[2].split()
    except OSError:
        return ""
    booted = read("/proc/stat").partition("btime ")[2].split()[0]  # in whole seconds
    began = int(booted) + int(cells[19]) / os.sysconf("SC_CLK_TCK")
    return cells[0] if began < at + 1 else ""


def tell(words: str) -> None:
    """Say something to whoever looks at the node's console."""
    with open(ROOT + "/dev/console", "a") as console:
        print(f"ultracluster {words}", file=console)


def settings() -> Conf:
    """Return what the node must have, as its boot wrote it for shells."""
    words = shlex.split(read(HERE + "/node.conf"), comments=True)
    rows = (word.partition("=") for word in words)
    return {name: os.path.expandvars(value) for name, equals, value in rows if equals}


def said(*command: str, seconds: float = 60) -> str:
    """Return what a command prints; nobody waits for a process that cannot be killed.

    Raises:
        CommandError: where it is not there, ends with another status than 0, or takes too long.
    """
    name, pipe = os.path.basename(command[0]), subprocess.PIPE
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(f"{name} cannot be run: {error.strerror}") from error
    try:
        text, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise CommandError(f"{name} did not answer within {seconds:g} s") from None
    if process.returncode:
        words = " ".join(text.replace('"', " ").split())[:80]
        raise CommandError(f"{name} failed with status {process.returncode}: {words}", text)
    return text


def number(text: str) -> float | None:
    """Return the number that a field begins with; None where it holds none."""
    found = re.match(r"\s*(-?\d+(\.\d+)?)", text)
    return float(found[1]) if found else None


def asked(option: str, fields: list[str], seconds: float = 60) -> Iterator[dict[str, str]]:
    """Yield the values of each GPU, process or row that nvidia-smi lists, by their fields.

    A driver that does not know one name answers nothing: what may be unknown is asked by itself.
    """
    names = f"--query-{option}=" + ",".join(fields)
    text = said("nvidia-smi", "--format=csv,noheader,nounits", names, seconds=seconds)
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(fields):
            yield dict(zip(fields, cells))  # noqa: B905 - of equal length; Python 3.9


def silent(cell: str) -> bool:
    """Whether words stand where a number must be: "[GPU requires reset]", "[Unknown Error]".

    "[N/A]" is something that the GPU does not have, such as ECC that is switched off.
    """
    return number(cell) is None and cell.strip("[]") not in ("N/A", "Not Supported")


def is_no(cell: str) -> bool:
    """Whether a field says that there is nothing, or that the GPU does not have it."""
    return cell.strip("[]") in ("0", "No", "N/A", "Not Supported")


def is_yes(cell: str) -> bool:
    """Whether a field says that there is something."""
    return bool(re.match("[1-9]|Yes", cell))


PACKAGES = (
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
)
"""What dpkg and rpm write at each change."""
REASONS = ("hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")


def throttled(seconds: float = 60) -> Iterator[tuple[str, set[str]]]:
    """Yield each GPU, and why hardware or driver hold its clock down.

    Newer drivers call the fields clocks_event_reasons.
    """
    for prefix in ("clocks_throttle_reasons.", "clocks_event_reasons."):
        fields = ["index", *(prefix + reason for reason in REASONS)]
        try:
            for row in asked("gpu", fields, seconds):
                yield row["index"], {name for name in REASONS if row[prefix + name] == "Active"}
        except CommandError as error:
            if "not a valid field" not in error.text or prefix.startswith("clocks_event"):
                raise
        else:
            return


def events(log: str) -> Iterator[tuple[str, str, str]]:
    """Yield device, number and action of each Xid of the kernel's log, and of each SXid.

    An SXid (of an NVSwitch) says by itself whether it is fatal, and Xid 154 what is to be done.
    """
    for found in EVENT.finditer(log):
        if found["switch"]:
            fatal = "non-fatal" not in found["rest"].lower()
            yield found["switch"], "S" + found["sxid"], "reset" if fatal else "watch"
        elif found["xid"] == "154":
            yield found["gpu"], "154", _told(found["text"])
        else:
            yield found["gpu"], found["xid"], ACTION_OF.get(int(found["xid"]), "application")


def _told(text: str) -> str:
    """Return what Xid 154 says: "... changed from 0x0 (None) to 0x2 (Node Reboot Required)"."""
    words = text.rpartition(" to ")[2].lower()
    if "none" in words:
        return "watch"
    return "reboot" if "reboot" in words else "reset"


def worst(log: str) -> dict[str, tuple[str, str]]:
    """Return the action that each device of the log needs, with its number.

    Xid 154 overrides what the same GPU had before it; what comes after it counts again.
    """
    state: dict[str, tuple[str, str]] = {}
    for device, name, action in events(log):
        before = state.get(device, ("watch", ""))[0]
        if name == "154" or ACTIONS.index(action) >= ACTIONS.index(before):
            state[device] = action, name
    return state


def active_ports() -> int:
    """Return how many devices of the fabric have a port that is active."""
    return sum(
        "ACTIVE" in read(path) for path in glob(ROOT + "/sys/class/infiniband/*/ports/1/state")
    )


def mounted(folder: str, kind: str = r"\S+") -> bool:
    """Whether a file system of a kind is mounted at a folder; asks nobody who could hang."""
    row = rf"^\S+ {re.escape(folder)} {kind} "
    return bool(re.search(row, read(ROOT + "/proc/mounts"), re.MULTILINE))


def fullest_target() -> list[float]:
    """Return the free share of the fullest disk of Lustre: who writes to one that is full fails.

    None is returned where the client does not name them; the file system is there all the same.
    """
    try:
        free, whole = (
            [int(size) for size in said("lctl", "get_param", "-n", f"osc.*.kbytes{which}").split()]
            for which in ("avail", "total")
        )
    except (CommandError, ValueError):
        return []
    return sorted(f / max(w, 1) for f, w in zip(free, whole))[:1]  # noqa: B905


def load() -> float:
    """Return the load of the last minute."""
    return float(read(ROOT + "/proc/loadavg").split()[0])


def packages_changed() -> float:
    """Return when packages were last installed or updated, 0 where nobody knows.

    On a node, which installs none, that is when its image was made.
    """
    files = [ROOT + path for path in PACKAGES]
    return max((os.stat(path).st_mtime for path in files if os.path.exists(path)), default=0.0)


def kept_for_slurmdbd() -> int:
    """Return how many records the controller keeps for a slurmdbd that does not take them."""
    found = re.search(r"DBD Agent queue size: *(\d+)", said("sdiag"))
    return int(found[1]) if found else 0


def memory() -> float:
    """Return the share of memory that is available."""
    rows = dict(re.findall(r"(\w+): +(\d+)", read(ROOT + "/proc/meminfo")))
    return int(rows["MemAvailable"]) / int(rows["MemTotal"])


PROCESS = re.compile(r"^ *(\d+) +(\S+)", re.MULTILINE)


def job_processes(seconds: float = 60, *, some: bool = False) -> dict[int, str]:
    """Return the job of each process that Slurm started here; asks this node alone.

    Where a slurmstepd has died, scontrol lists those of other steps and ends with 1: `some` do.
    """
    try:
        text = said("scontrol", "listpids", seconds=seconds)
    except CommandError as error:
        text = error.text
        if "No job steps" not in text and not (some and PROCESS.search(text)):
            raise
    return {int(pid): job for pid, job in PROCESS.findall(text)}
