"""What becomes of a node that a check found unfit: drained, reset, rebooted, or to be replaced.

Each step is a line of the ledger of this instance (decision 0021), on the node's root disk and on
the shared file system: what was tried within a week is not tried again, and the next stronger step
is taken. Slurm alone reboots a node (`scontrol reboot`); PCS takes any other reboot for a failure
and replaces the instance (AWS PCS user guide, rebooting, read 2026-11-26).
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable  # noqa: TC003 - as in the others
from contextlib import suppress
from glob import glob

import readings
from readings import ROOT, CommandError, Conf

OURS = "ultracluster check"
"""What the reason of a node begins with that this program has drained."""
STRONGER = {"reset": "reboot", "reboot": "replace"}
REMEMBERED = 7 * 86400
"""Seconds for which a step counts as tried."""
HOUR = 3600
AT_ONCE = 4
"""Instances that repair themselves within an hour; where more would, what is wrong is shared by
them, or is the check, and they are only drained."""
LOOKING = ("reset", "accepting")
"""Steps that compute on the GPUs by themselves: nobody else looks meanwhile."""
LOOKING_SECONDS = 2400
BEGINS = ("accepted", "new")
"""Entries after which nothing is under way."""
SHARED_SECONDS = 5.0
RETURNS = "-|Not responding|Node unexpectedly rebooted|ResumeTimeout"
"""Reasons for which Slurm calls a node down by itself; they end when its slurmd is back."""
SHOW = re.compile(r" State=(\S+).*? Reason=(.*)")

Entry = dict[str, object]


class Case:
    """The ledger of this instance, and its node as Slurm has it."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.seconds = float(conf.get("SECONDS_EACH", "8"))
        self.node = os.environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0]
        try:
            self.instance = readings.read(ROOT + "/var/lib/cloud/data/instance-id").strip()
        except OSError:
            self.instance = self.node
        self.file = ROOT + "/var/lib/ultracluster/repairs.jsonl"
        self.entries = _entries(self.file)

    def record(self, did: str, why: str) -> None:
        """Add a line, to the root disk and, where it answers, to the shared file system."""
        entry: Entry = {"time": int(time.time()), "instance": self.instance, "node": self.node}
        entry |= {"did": did, "why": why, "job": os.environ.get("SLURM_JOB_ID", "")}
        self.entries.append(entry)
        line = json.dumps(entry) + "\n"
        _append(self.file, line)
        within(lambda: _append(self.shared(), line))

    def shared(self) -> str:
        """Return where the shared file system has the ledger of this instance.

        Raises:
            OSError: where the folder is somebody else's, who could write whatever he likes.
        """
        folder = f"{ROOT}{self.conf['LUSTRE']}/.ultracluster/repairs"
        if not self.conf["LUSTRE"] or not readings.mounted(self.conf["LUSTRE"]):
            raise OSError("no shared file system")
        os.makedirs(folder, mode=0o755, exist_ok=True)
        for each in (folder, os.path.dirname(folder)):
            found = os.stat(each)
            if found.st_uid != os.geteuid() or found.st_mode & 0o022:
                raise OSError(f"{each} is not root's alone")
        return f"{folder}/{self.instance}.jsonl"

    def now(self) -> list[Entry]:
        """Return the steps since the node was last accepted."""
        begins = [n for n, entry in enumerate(self.entries) if entry["did"] in BEGINS]
        return self.entries[begins[-1] + 1 if begins else 0 :]

    def sound_since(self) -> float:
        """Return when GPUs were last reset or found sound, 0 where not since the node booted."""
        sound = [_at(entry) for entry in self.entries if entry["did"] in ("reset", "accepted")]
        return max(sound) + 1 if sound else 0.0

    def waits(self) -> str:
        """Return the step that is under way, empty where there is none."""
        last = (self.now() or [{"did": ""}])[-1]
        did = str(last["did"])
        under_way = (
            did == "replace"
            or (did == "reboot" and booted() < _at(last))
            or (did in LOOKING and time.time() - _at(last) < LOOKING_SECONDS)
        )
        return did if under_way else ""

    def step(self, action: str) -> str:
        """Return what to do for a verdict, after what was tried already."""
        tried = {
            str(entry["did"])
            for entry in self.entries
            if time.time() - _at(entry) < REMEMBERED and entry["did"] in STRONGER
        }
        if "reboot" in (entry["did"] for entry in self.now()):
            tried |= set(STRONGER)  # It came back no better, and a reboot resets GPUs as well.
        while action in tried:
            action = STRONGER[action]
        repairs = self.conf.get("REPAIR") == "1"
        if action in STRONGER and (not repairs or self.others() >= AT_ONCE):
            return "drain"
        return action

    def others(self) -> int:
        """Return how many other instances took a step of repair within the last hour."""
        found: list[int] = []

        def count() -> None:
            own = self.shared()
            files = set(glob(os.path.dirname(own) + "/*.jsonl")) - {own}
            found.append(sum(_repaired_lately(file) for file in files))

        within(count)
        return sum(found)

    def unfit(self, action: str, why: str) -> None:
        """Take the node out of service, and take the step that the verdict asks for.

        Raises:
            CommandError: where the controller does not answer.
        """
        waits = self.waits()
        did = waits or self.step(action)
        # What is advised and not done is told as well.
        words = f"{OURS}: {did}: {why if did in (action, waits) else f'{why} ({action})'}"[:200]
        state, reason = self.slurm()
        ours = reason.startswith(OURS)
        if not ours and (
            "DRAIN" in state or ("DOWN" in state and not re.match(RETURNS, reason or "-"))
        ):
            return  # Whoever took it out works on it, and puts it back.
        if "DRAIN" not in state or not reason.startswith(f"{OURS}: {did}: "):
            self.scontrol("update", f"NodeName={self.node}", "State=DRAIN", f"Reason={words}")
        if waits or (self.now() and self.now()[-1]["did"] == did):
            return
        if did == "reset" and self.busy():
            return  # The node takes no more jobs, and the check after this one finds the same.
        if did == "reboot" and not self.asks_for_reboot():
            did = "drain"
        self.record(did, why)
        if did == "reset":
            self.start("reset")

    def asks_for_reboot(self) -> bool:
        """Have Slurm reboot the node once it has no job; whether Slurm will."""
        try:
            self.scontrol("reboot", self.node)
        except CommandError as error:
            print(f"{OURS}: {error}", flush=True)
            return False
        return True

    def busy(self) -> bool:
        """Whether jobs are here, as far as the node itself can tell."""
        try:
            return bool(readings.job_processes(self.seconds))
        except CommandError:
            return True

    def fit(self) -> None:
        """Put a node back that is sound again; after a reset or a reboot it is accepted first.

        A new instance has no ledger, and its node may still be drained for what the instance before
        it had, whoever replaced that one.
        """
        steps = {str(entry["did"]) for entry in self.now()}
        if not self.entries:
            self.resume("new")
        elif steps == {"drain"}:
            self.resume()
        elif steps & {"reset", "reboot"} and not steps & {"replace"} and not self.waits():
            self.start("accept")

    def resume(self, did: str = "accepted") -> None:
        """Put the node back into service, unless somebody else has taken it out."""
        state, reason = self.slurm()
        # That nothing is wrong without a job says nothing of what only a job shows.
        of_a_job = did != "new" and re.match(rf"{OURS}: \w+: {readings.OF_A_USER} ", reason)
        if reason.startswith(OURS) and not of_a_job and re.search("DRAIN|DOWN", state):
            self.scontrol("update", f"NodeName={self.node}", "State=RESUME")
            # A node that has not registered yet is not taken; the next check tries again.
            if re.search("DRAIN|DOWN|REBOOT", self.slurm()[0]):
                return
        self.record(did, "")

    def slurm(self) -> tuple[str, str]:
        """Return the node's state and the reason of it, as the controller has them."""
        text = self.scontrol("show", "node", self.node, "--oneliner")
        found = SHOW.search(text)
        return (found[1], found[2]) if found else (text.partition(" State=")[2].split(" ")[0], "")

    def scontrol(self, *words: str) -> str:
        """Ask the controller."""
        return readings.said("scontrol", *words, seconds=self.seconds)

    def start(self, what: str) -> None:
        """Run this program beside Slurm, which gives a check a minute; one at a time."""
        program = readings.HERE + "/check.py"
        unit = ("--unit=ultracluster-" + what, "--collect", "--no-block")
        environment = f"--setenv=SLURMD_NODENAME={self.node}"
        try:
            readings.said("systemd-run", *unit, environment, program, what, seconds=self.seconds)
        except CommandError as error:
            print(f"{OURS}: {what}: {error}", flush=True)


def booted() -> float:
    """Return when the kernel was started."""
    found = re.search(r"^btime (\d+)", readings.read(ROOT + "/proc/stat"), re.MULTILINE)
    return float(found[1]) if found else 0.0


def within(act: Callable[[], None]) -> None:
    """Do something that may hang, as a file system may, and go on without it where it does."""

    def run() -> None:
        try:
            act()
        except (OSError, ValueError) as error:
            print(f"{OURS}: {error}", flush=True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SHARED_SECONDS)


def _append(path: str, line: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a") as file:
        file.write(line)


def _entries(path: str) -> list[Entry]:
    found: list[Entry] = []
    try:
        lines = readings.read(path).splitlines()
    except (OSError, ValueError):
        return found
    for line in lines:
        # What a node wrote as it lost its power may be cut short, or zeros; more was added to it.
        with suppress(ValueError):
            found.append(json.loads(line[line.rfind('{"time"') :].rstrip("\0")))
    return found


def _at(entry: Entry) -> float:
    return float(str(entry["time"]))


def _repaired_lately(file: str) -> bool:
    return any(
        entry["did"] in STRONGER and time.time() - _at(entry) < HOUR for entry in _entries(file)
    )
