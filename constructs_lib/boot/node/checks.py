"""The list of what makes a node fit for jobs; check.py acts on what it finds.

Every check has its time, all of them look at once, and one that cannot look, or does not come back,
finds the node unfit. A new one is a function and a row of CHECKS.
"""

from __future__ import annotations

import os
import pwd
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import readings
from readings import ACTIONS, OF_A_USER, CommandError, Conf
from repair import Case

Found = Iterator[tuple[str, str]]
"""Actions of `readings.ACTIONS` and why; `hold` is a job that no node can run."""
HOLD = "hold"
LEAST_MIB = 1024
LEAST_MEMORY = 0.5
"""Of an idle node; less has been left behind, by huge pages or in /dev/shm."""


class Check(NamedTuple):
    """One row of the list."""

    name: str
    when: str
    """At the prolog, the epilog, on an idle node, on a busy one: letters of "peib"."""
    seconds: str
    """Setting that holds the time limit."""
    needs: str
    """Setting that says whether there is something to look at; empty for every node."""
    look: Callable[[Conf, float], Found]


def controller(conf: Conf, seconds: float) -> Found:
    """Ask Slurm's commands to read their configuration: an older version ends at a newer one."""
    readings.said("scontrol", "show", "hostnames", "localhost", seconds=seconds)
    yield from ()


def clock(conf: Conf, seconds: float) -> Found:
    """Slurm's credentials and AWS's hold for minutes; a young node has a moment."""
    ask = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
    for again in reversed(range(int(conf.get("CLOCK_TRIES", "5")))):
        if readings.said(*ask, seconds=seconds).strip() == "yes":
            return
        time.sleep(3 if again else 0)
    yield "drain", "the clock is not synchronized; look at its time service (chrony)"


def user(conf: Conf, seconds: float) -> Found:
    """Compare the job's user: with another's number it would have his rights (decision 0014)."""
    number = os.environ.get("SLURM_JOB_UID", "")
    if not number:
        return
    listed: list[str] = []
    has_list = os.path.exists(readings.HERE + "/users")
    if has_list:
        rows = [line.split() for line in readings.read(readings.HERE + "/users").splitlines()]
        listed = [row[1] for row in rows if row[:1] == ["user"] and row[2:3] == [number]]
    try:
        here = pwd.getpwuid(int(number)).pw_name
    except KeyError:
        here = ""
    again = int(os.environ.get("SLURM_JOB_RESTART_COUNT", "0"))
    if not here and not listed and (has_list or again):
        # No other node will know it: each would be drained in turn.
        yield HOLD, f"no node knows user {number}"
        return
    # A controller without users calls all of them nobody.
    for name in (*listed, os.environ.get("SLURM_JOB_USER", "nobody")):
        if name not in ("nobody", here):
            yield "drain", f"{OF_A_USER} {number} is {here or 'unknown'} instead of {name}"
            return
    if not here:
        yield "drain", f"{OF_A_USER} {number} is unknown"


def gpus(conf: Conf, seconds: float) -> Found:
    """Count the GPUs, and let each tell its memory errors."""
    field = "ecc.errors.uncorrected.volatile.total"
    rows = {row["index"]: row[field] for row in readings.asked("gpu", ["index", field], seconds)}
    rows = {index: cell for index, cell in rows.items() if index.isdigit()}
    if len(rows) != int(conf["GPUS"]):
        yield "reboot", f"{len(rows)} GPUs instead of {conf['GPUS']}"
    mute = {index: cell for index, cell in rows.items() if readings.silent(cell)}
    for index, cell in mute.items():
        action = "reset" if "reset" in cell.lower() else "reboot"
        yield action, f"GPU {index} does not tell its ECC errors: {cell or 'nothing'}"
    bad = [index for index, cell in rows.items() if (readings.number(cell) or 0) > 0]
    if bad:
        yield "reset", f"uncorrected ECC errors on GPU {','.join(bad)}"


def rows(conf: Conf, seconds: float) -> Found:
    """Look for rows of memory that a reset remaps, and for GPUs that have none left for it."""
    fields = ["gpu_bus_id", "remapped_rows.pending", "remapped_rows.failure"]
    told = list(readings.asked("remapped-rows", fields, seconds))
    if not told:
        yield "drain", "no GPU tells its remapped rows"
    for row in told:
        pending, failure = row[fields[1]], row[fields[2]]
        if readings.is_yes(failure):
            yield "replace", f"GPU {row[fields[0]]} has no rows left to remap"
        elif not readings.is_no(pending) or not readings.is_no(failure):
            yield "reset", f"GPU {row[fields[0]]} has rows to remap ({pending or 'no answer'})"


def kernel(conf: Conf, seconds: float) -> Found:
    """Look for what the driver of GPUs and switches has logged since they were last reset."""
    ask = ["journalctl", "--dmesg", "--output=cat"]
    since = Case(conf).sound_since()
    log = readings.said(*ask, *([f"--since=@{since:.0f}"] if since else []), seconds=seconds)
    for device, (action, name) in readings.worst(log).items():
        if ACTIONS.index(action) >= ACTIONS.index("drain"):
            yield action, f"Xid {name} of {device}".replace("Xid S", "SXid ")


def links(conf: Conf, seconds: float) -> Found:
    """Look for links between GPUs that are not up."""
    gpu, told, down = "", 0, set()
    for line in readings.said("nvidia-smi", "nvlink", "--status", seconds=seconds).splitlines():
        if line.startswith("GPU"):
            gpu = line[3:].partition(":")[0].strip()
        elif line.strip().startswith("Link"):
            told += 1
            if not readings.number(line.partition(":")[2]):
                down.add(gpu)
    if not told:
        yield "drain", "nvidia-smi lists no NVLink"
    if down:
        yield "reset", f"NVLink is down on GPU {','.join(sorted(down))}"


def lanes(conf: Conf, seconds: float) -> Found:
    """Compare the width of each GPU's PCIe with what it can have; idle GPUs keep their width."""
    fields = ["index", "pcie.link.width.current", "pcie.link.width.max"]
    for row in readings.asked("gpu", fields, seconds):
        now, most = (readings.number(row[name]) for name in fields[1:])
        if now is None or most is None or now < most:
            yield (
                "reboot",
                f"PCIe of GPU {row['index']} has {row[fields[1]]} lanes of {row[fields[2]]}",
            )


def clocks(conf: Conf, seconds: float) -> Found:
    """Look for clocks that heat or power hold down, which slows every GPU of a job."""
    for gpu, reasons in readings.throttled(seconds):
        held = sorted(reasons & {"hw_thermal_slowdown", "hw_power_brake_slowdown"})
        if held:
            yield "drain", f"hardware slows GPU {gpu} down ({', '.join(held)})"


def leftovers(conf: Conf, seconds: float) -> Found:
    """Look for processes on the GPUs that belong to no job."""
    listed = list(readings.asked("compute-apps", ["pid", "gpu_uuid"], seconds))
    jobs = readings.job_processes(seconds) if listed else {}
    for pid in sorted({row["pid"] for row in listed if row["pid"].isdigit()}):
        if int(pid) not in jobs:
            gone = not os.path.isdir(f"/proc/{pid}")
            yield "reset" if gone else "reboot", f"process {pid} of no job is left on a GPU"


def fabric_manager(conf: Conf, seconds: float) -> Found:
    """Ask for the service: nvidia-smi works without it, and CUDA does not (error 802)."""
    try:
        readings.said("systemctl", "is-active", "nvidia-fabricmanager", seconds=seconds)
    except CommandError as error:
        state = error.text.strip()[:40] or str(error)
        yield "reboot", f"nvidia-fabricmanager is {state}: CUDA fails with error 802"


def efa(conf: Conf, seconds: float) -> Found:
    """Count the active devices of the fabric."""
    active = readings.active_ports()
    if active < int(conf["EFA_DEVICES"]):
        yield "reboot", f"{active} active EFA devices instead of {conf['EFA_DEVICES']}"


def shared(name: str, folder: str, kind: str, seconds: float) -> Found:
    """Ask a file system; the table of mounts first, or the root volume would answer."""
    if not readings.mounted(folder, kind):
        yield "drain", f"{name} is not mounted at {folder}"
        return
    try:
        readings.said("stat", "--file-system", folder, seconds=seconds)
    except CommandError as error:
        yield "drain", f"{name} at {folder} {str(error).partition(' ')[2]}"


def lustre(conf: Conf, seconds: float) -> Found:
    """Look for the data."""
    yield from shared("Lustre", conf["LUSTRE"], conf.get("LUSTRE_KIND", "lustre"), seconds)


def homes(conf: Conf, seconds: float) -> Found:
    """Look for the homes that all nodes share; a job begins in one."""
    yield from shared("EFS", "/home", conf.get("HOMES_KIND", "nfs4"), seconds)


def scratch(conf: Conf, seconds: float) -> Found:
    """Look for the node's own disks."""
    if readings.mounted(conf["SCRATCH"]):
        yield from room(conf["SCRATCH"], conf, seconds)
    else:
        yield "drain", f"no NVMe scratch at {conf['SCRATCH']}"


def room(folder: str, conf: Conf, seconds: float) -> Found:
    """Measure what is free: jobs die in strange ways on a full disk, and slurmd starts none."""
    text = readings.said("df", "--output=avail", "--block-size=1M", folder, seconds=seconds)
    left = readings.number(text.split()[-1])
    if left is None or left < LEAST_MIB:
        free = "unknown" if left is None else f"{left:.0f}"
        yield "drain", f"{free} MiB are free on {folder}, {LEAST_MIB} are needed"


def memory(conf: Conf, seconds: float) -> Found:
    """Measure what jobs have left behind."""
    free = readings.memory()
    if free < LEAST_MEMORY:
        yield "reboot", f"{free:.0%} of the memory of an idle node is available"


SHORT, LONG = "SECONDS_EACH", "GPU_SECONDS"
CHECKS = (
    Check("scontrol", "pib", SHORT, "", controller),
    Check("the job's user", "p", SHORT, "", user),
    Check("the clock", "pib", SHORT, "", clock),
    Check("nvidia-smi", "peib", LONG, "GPUS", gpus),
    Check("nvidia-smi", "pei", LONG, "GPUS", rows),
    Check("the kernel's log", "peib", SHORT, "GPUS", kernel),
    Check("NVLink", "peib", LONG, "FABRIC_MANAGER", links),
    Check("PCIe", "pi", LONG, "GPUS", lanes),
    Check("the GPUs' clocks", "pi", LONG, "GPUS", clocks),
    Check("processes on GPUs", "pei", LONG, "GPUS", leftovers),
    Check("fabric manager", "pib", SHORT, "FABRIC_MANAGER", fabric_manager),
    Check("EFA", "pib", SHORT, "EFA_DEVICES", efa),
    Check("Lustre", "pib", SHORT, "LUSTRE", lustre),
    Check("homes", "pib", SHORT, "HOMES", homes),
    Check("the disk", "pib", SHORT, "", partial(room, "/")),
    Check("scratch", "pi", SHORT, "SCRATCH", scratch),
    Check("memory", "i", SHORT, "", memory),
)
LIMITS = {SHORT: 8.0, LONG: 40.0}
"""Seconds. Without persistence mode the driver starts anew for each question: 25 to 30 s on eight
A100 (Azure/AgentBaker#2829); the boot switches it on, and this is for when that failed. Slurm kills
a health check after 60 s (slurm.conf, read 2026-11-27)."""


def judged(conf: Conf, when: str) -> list[tuple[str, str]]:
    """Return what all checks of an occasion find, each within its time."""
    chosen = [
        row
        for row in CHECKS
        if when in row.when and (not row.needs or conf[row.needs] not in ("", "0"))
    ]
    found: list[list[tuple[str, str]] | None] = [None] * len(chosen)

    def look(index: int, row: Check, seconds: float) -> None:
        try:
            found[index] = list(row.look(conf, seconds))
        except Exception as error:  # what cannot be looked at is not sound
            found[index] = [("drain", str(error) or repr(error))]

    limits = [float(conf.get(row.seconds, LIMITS[row.seconds])) for row in chosen]
    threads = [
        threading.Thread(target=look, args=(index, row, limits[index]), daemon=True)
        for index, row in enumerate(chosen)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for index, thread in enumerate(threads):
        # A command's own limit comes first, with a better sentence.
        thread.join(max(0.0, began + 2 * limits[index] + 1 - time.monotonic()))
        if found[index] is None:
            late = f"{chosen[index].name} did not answer within {limits[index]:g} s"
            found[index] = [("drain", late)]
    return [finding for each in found for finding in each or ()]
