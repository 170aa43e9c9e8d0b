"""The night: the catalogue of faults on a real Slurm with the real monitoring, and its page.

    make rehearse-night

Takes half an hour on two cores that do nothing else. Writes docs/operate/night.md.
"""

# ruff: noqa: T201 - prints what it does

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tests.night.cluster import NODES, Night
from tests.night.faults import BUSY, ROUNDS, SPARE, Fault, void
from tests.night.pictures import PAGES, draw_pages, take_pictures
from tests.repository import ROOT
from tests.training.slurm.cluster import until
from tests.training.slurm.jobs import EVERY, VARIABLES, Curve, Job
from training import prepare

PAGE: Final = ROOT / "docs" / "operate" / "night.md"
RANKS: Final = 4
COMPARED_AFTER: Final = 3
"""Rounds, of which the first is 0, after which the job has been disturbed often enough."""
STEPS_BETWEEN: Final = 60
"""Two checkpoints."""
CALM_SECONDS: Final = 60
BACK_SECONDS: Final = 240
LIVELY: Final = 10
"""Seconds within which a job that runs has made a step."""
CONSEQUENCES: Final = {
    "a rank is stopped": {"checkpoint-overdue"},
    "slurmctld restarts": {"node-out-of-service", "metrics-missing"},
    "a node of the job is killed": {"job-hangs", "checkpoint-overdue"},
}
"""Alarms that rightly tell what follows from a fault."""
BEFORE: Final = """
import os, pathlib, time
from training.trainer import Trainer
os.environ["ULTRACLUSTER_METRICS"] = os.path.join(
    {nodes!r}, os.environ.get("SLURMD_NODENAME", "none"), "run/ultracluster/metrics")
step = Trainer._step
def slower(self, feed):
    if pathlib.Path("nan").exists():
        for parameter in self.sharded.module.parameters():
            parameter.data.fill_(float("nan"))
    if self.step >= {last}:
        os._exit(0)
    time.sleep({pause})
    return step(self, feed)
if "RANK" in os.environ:
    Trainer._step = slower
"""
HEAD: Final = """# The night, rehearsed

Written by `make rehearse-night`; nothing here is changed by hand. {when}: {nodes} nodes, one
training job of {ranks} of them, {minutes:.0f} minutes; {load}

Real: Slurm (slurmctld, eight slurmd, slurmdbd with MariaDB), Prometheus, Alertmanager, the nodes'
own programs (check, repair, metrics) with the settings that PCS is given, the alarms of
[alarms.md](alarms.md), `train.sbatch`, and the training program on processors. Stood in for: GPUs
and their driver, EFA, Lustre, the kernel's log, DCGM, systemd, the reboot of a machine, PCS itself,
and CloudWatch (Prometheus evaluates the same PromQL). Slurm declares a silent node down after 30 s
here, and a check may take 15 s instead of 8: all nodes share two cores.

Seconds are from the fault to the reason that Slurm has for the node, and to the alarm's arrival.
Training lost is the longest time without a new step while the round of faults was there.

| fault | where | Slurm's reason, s | alarm, s | seen within | right node | healed by | in service, s | lost, min |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

- False alarms, in {calm} s of calm before the first fault and beside the faults: {false}.
- The loss curve of {steps} steps, with {starts} starts, is the undisturbed run's: {same}.
- Starts of the job on a node that was out of service: {sick}.
- The job's end: {end}.

Two of its dashboards, drawn by `ultracluster dashboards --from` before the last round (MFU is empty: of
processors no peak is known):

![Charts of nodes by state, jobs, GPUs of each job and Xids in that night](night-cluster.webp)

![Charts of the job's steps, loss, ranks and checkpoints in that night](night-job.webp)
"""  # noqa: E501 - rows of a table


@dataclass
class Row:
    """What was seen of a fault."""

    name: str
    fault: Fault
    node: str
    planted: float
    step: int
    starts: int
    reason: float | None = None
    alarm: float | None = None
    alarm_name: str = ""
    wrong: set[str] = field(default_factory=set)
    mended: bool = False
    back: float | None = None
    accepted: float | None = None
    """Unix time; the ledger that says so is emptied before the next fault."""

    @property
    def seen(self) -> bool:
        """Whether all was seen that is to be."""
        if not self.fault.reason:
            return self.alarm is not None or not self.fault.alarms
        # What heals itself within seconds may be over before its alarm.
        waited = time.time() > self.planted + self.fault.limit + 45
        return self.reason is not None and (self.alarm is not None or waited)

    @property
    def first(self) -> float | None:
        """Seconds until it was seen at all."""
        return min((t for t in (self.reason, self.alarm) if t is not None), default=None)


class LongJob(Job):
    """A job with a minute between checkpoints: twice that is what an alarm allows."""

    def write_recipe(self, **given: Any) -> None:
        super().write_recipe(**given)
        recipe = self.work / "recipe.py"
        text = recipe.read_text()
        assert f"every={EVERY})," in text
        recipe.write_text(text.replace(f"every={EVERY}),", f"every={STEPS_BETWEEN}),"))


class Rehearsal:
    """One night."""

    def __init__(self, night: Night, job: Job) -> None:
        self.night, self.job = night, job
        self.rows: list[Row] = []

    def plant(self, faults: dict[str, Fault]) -> list[Row]:
        """Plant a round of faults, each on a node of its own."""
        states = self.night.states()
        busy, spare = ([n for n, s in states.items() if s == k] for k in ("alloc", "idle"))
        planted = []
        for name, fault in faults.items():
            node = {BUSY: busy, SPARE: spare}.get(fault.where, [""]).pop()
            step = max(self.job.curve(), default=0)
            # As if nothing had been tried within a week on this instance.
            self.night.nodes.forget(node)
            fault.plant(self.night, self.job, node)
            print(f"{name}: {node or fault.where}", flush=True)
            planted.append(Row(name, fault, node, time.time(), step, len(self.job.starts())))
        self.rows += planted
        return planted

    def look(self, rows: Iterable[Row]) -> None:
        """Note what Slurm and Alertmanager say now."""
        self.night.reboot_whom_slurm_wants()
        reasons = self.reasons()
        for row in rows:
            passed = time.time() - row.planted
            if (
                row.reason is None
                and row.fault.reason
                and row.fault.reason in reasons.get(row.node, "")
            ):
                row.reason = passed
            if row.reason is None and row.node and row.fault.reason:
                # What heals itself within seconds is over before anybody asks Slurm.
                row.reason = self.in_ledger(row)
            for alert in list(self.night.told):
                self._note(row, alert)

    def in_ledger(self, row: Row) -> float | None:
        """Return after how many seconds the node itself wrote down what it did."""
        for entry in self.night.nodes.ledger(row.node):
            told = f"{entry['did']}: {entry['why']}"
            if entry["time"] >= row.planted - 1 and row.fault.reason in told:
                return float(max(0.0, entry["time"] - row.planted))
        return None

    def _note(self, row: Row, alert: dict[str, Any]) -> None:
        labels = alert["labels"]
        name, node = labels["alertname"], labels.get("slurm_node") or labels.get("node", "")
        began = datetime.fromisoformat(alert["startsAt"]).timestamp()
        if (
            name not in row.fault.alarms
            or alert["arrived"] < row.planted
            or began < row.planted - 1
        ):
            return
        if row.alarm is None and (not row.node or node == row.node):
            row.alarm, row.alarm_name = alert["arrived"] - row.planted, name

    def starts_on_sick_nodes(self) -> list[str]:
        """Return starts of the job on a node that a fault had taken out of service."""
        found = []
        for at, nodes in re.findall(r"(\S+) job \d+: start \d+ on (\S+) from", self.job.output()):
            when = datetime.fromisoformat(at).timestamp()
            names = self.night.ask("scontrol", "show", "hostnames", nodes).split()
            found += [
                f"{row.node} ({row.name})"
                for row in self.rows
                if row.reason is not None
                and row.node in names
                and row.planted + row.reason < when < row.planted + (row.back or 1e9)
                and not (row.accepted and row.accepted <= when)
            ]
        return found

    def accepted(self, row: Row) -> float | None:
        """Return when the node of a fault was found sound, or its instance was a new one."""
        times = [
            float(entry["time"])
            for entry in self.night.nodes.ledger(row.node)
            # The ledger has whole seconds.
            if entry["did"] in {"accepted", "new"}
            and entry["time"] + 1 > row.planted + (row.reason or 0.0)
        ]
        return min(times, default=None)

    def running(self) -> bool:
        """Whether the job makes steps, and enough nodes are there for a round."""
        self.night.reboot_whom_slurm_wants()
        steps = [event for event in self.job.record() if event["event"] == "step"]
        states = list(self.night.states().values())
        lively = bool(steps) and time.time() - _at(steps[-1]) < LIVELY
        idle = len(NODES) - RANKS
        return lively and states.count("alloc") == RANKS and states.count("idle") == idle

    def reasons(self) -> dict[str, str]:
        """Return why nodes are out of service."""
        ask = ["sinfo", "--noheader", "--Node", "--format=%N %E"]
        done = subprocess.run(
            ask, env=self.night.environment(), text=True, capture_output=True, check=False
        )
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())

    def round(self, faults: dict[str, Fault]) -> None:
        """Plant faults, wait until they are seen, mend what does not mend itself, and wait."""
        rows = self.plant(faults)
        deadline = time.time() + max(row.fault.limit for row in rows) + 120
        while time.time() < deadline and not all(row.seen and row.mended for row in rows):
            self.look(rows)
            for row in rows:
                # A node under a fault that nobody must notice is watched for as long as others.
                late = time.time() > row.planted + row.fault.limit + 60
                if (row.seen or late) and not row.mended:
                    row.mended = True
                    if row.fault.mend is not None:
                        row.fault.mend(self.night, self.job, row.node)
            time.sleep(1)
        deadline = time.time() + BACK_SECONDS
        while time.time() < deadline and not all(row.back for row in rows):
            self.look(rows)
            states = self.night.states()
            for row in rows:
                if row.accepted is None and row.node:
                    row.accepted = self.accepted(row)
                if row.back is None and self.whole(row, states):
                    row.back = time.time() - row.planted
            time.sleep(1)

    def whole(self, row: Row, states: dict[str, str]) -> bool:
        """Whether the node is in service, and the job beyond where it was."""
        if row.name in ROUNDS[-1]:
            return bool(states)  # The job ends by the NaN.
        fit = row.node == "" or states.get(row.node) in {"idle", "alloc", "mix"}
        steps = [event for event in self.job.record() if event["event"] == "step"]
        # Steps that were under way when a rank was stopped are no progress.
        goes_on = steps and steps[-1]["step"] > row.step and time.time() - _at(steps[-1]) < LIVELY
        # A rank that was stopped goes on for some steps when Slurm ends it, and saves.
        started = not row.fault.restarts or len(self.job.starts()) > row.starts
        return bool(states and fit and goes_on and started)

    def lost(self, row: Row) -> str:
        """Return the longest time without a new step while the fault was there, in minutes."""
        reached, times = 0, []
        for event in self.job.record():
            if event["event"] == "step" and event["step"] > reached:
                reached = event["step"]
                times.append(_at(event))
        end = row.planted + (row.back or BACK_SECONDS)
        gaps = [b - a for a, b in pairwise(times) if b >= row.planted and a <= end]
        return f"{max(gaps, default=0.0) / 60:.1f}"

    def false_alarms(self) -> list[str]:
        """Return what was told that no fault explains."""
        found = set()
        for alert in self.night.told:
            name = alert["labels"]["alertname"]
            began = datetime.fromisoformat(alert["startsAt"]).timestamp()
            explained = any(
                row.planted - 1 <= began <= row.planted + (row.back or 1e9) + 60
                and name in {*row.fault.alarms, *CONSEQUENCES.get(row.name, ())}
                for row in self.rows
            )
            if not explained:
                found.add(
                    f"{name} {alert['labels'].get('slurm_node') or alert['labels'].get('node')}"
                )
        return sorted(found)


def _at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def _cell(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f}"


def table(rehearsal: Rehearsal) -> str:
    """Return the rows of the page."""
    lines = []
    for row in rehearsal.rows:
        fault = row.fault
        wanted = bool(fault.reason or fault.alarms)
        within = "-" if not wanted else _within(row)
        named = "-" if not wanted or not row.node else ("yes" if row.first is not None else "no")
        alarm = f"{_cell(row.alarm)} {row.alarm_name}".strip()
        cells = (row.name, fault.where, _cell(row.reason), alarm, within, named, fault.by)
        lines.append("| " + " | ".join((*cells, _cell(row.back), rehearsal.lost(row))) + " |")
    return "\n".join(lines)


def _within(row: Row) -> str:
    good = row.first is not None and row.first <= row.fault.limit
    return f"{row.fault.limit} s: {'yes' if good else '**no**'}"


def undisturbed(tokens: Path, folder: Path, last: int) -> Curve:
    """Return the curve of the same job that nobody disturbed, without Slurm."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    job = LongJob(None, folder, tokens)
    before = BEFORE.format(nodes=str(folder), pause=0, last=last)
    job.write_recipe(partition_size=2, steps=1_000_000, before=before)
    module = "tests.training.slurm.undisturbed"
    command = [sys.executable, "-m", module, str(RANKS), "recipe.py"]
    subprocess.run(command, cwd=folder, env={**os.environ, **VARIABLES}, check=False)
    return job.curve()


class Page:
    """The page, written again after each round."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal, self.began = rehearsal, time.time()
        self.steps, self.same, self.end = 0, "not compared yet", "it runs"

    def compare(self, tokens: Path, folder: Path) -> None:
        """Compare the loss so far with that of a run that nobody disturbed."""
        night = self.rehearsal.job.curve()
        self.steps = max(night) - 2
        calm = undisturbed(tokens, folder, self.steps + 5)
        equal = all(night[n] == calm[n] for n in range(1, self.steps + 1))
        self.same = "yes, bit for bit" if equal else "**no**"

    def good(self) -> bool:
        """Whether all was seen in time, and nothing else was told or lost."""
        rows = [row for row in self.rehearsal.rows if row.fault.reason or row.fault.alarms]
        seen = all((row.first or 1e9) <= row.fault.limit for row in rows)
        bad = self.rehearsal.false_alarms() or self.rehearsal.starts_on_sick_nodes()
        return seen and self.same.startswith("yes") and not bad

    def write(self) -> None:
        """Write it."""
        rehearsal = self.rehearsal
        text = HEAD.format(
            when=datetime.now(UTC).strftime("%Y-%m-%d"),
            nodes=len(NODES),
            ranks=RANKS,
            minutes=(time.time() - self.began) / 60,
            load=f"load average {os.getloadavg()[2]:.0f} on {os.cpu_count()} cores.",
            rows=table(rehearsal),
            calm=CALM_SECONDS,
            false=", ".join(rehearsal.false_alarms()) or "none",
            steps=self.steps,
            starts=len(rehearsal.job.starts()),
            same=self.same,
            sick=", ".join(rehearsal.starts_on_sick_nodes()) or "none",
            end=self.end,
        )
        PAGE.write_text(text)
        print(text, flush=True)


def main() -> int:
    """Rehearse the night, and write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens, work, calm_work = folder / "tokens", folder / "work", folder / "calm"
        work.mkdir()
        void(prepare.main(["--out", str(tokens), "--sample"]))
        (folder / "slurm" / "nodes").mkdir(parents=True)
        with Night(folder / "slurm") as night:
            night.watch()
            print(f"Prometheus: {night.prometheus}; dashboards, after each round: {PAGES}")
            job = LongJob(night, work, tokens)
            before = BEFORE.format(nodes=str(night.nodes.folder), pause=0.7, last=10**9)
            job.submit(nodes=RANKS, partition_size=2, steps=1_000_000, before=before)
            job.until_step(5)
            rehearsal = Rehearsal(night, job)
            page = Page(rehearsal)
            time.sleep(CALM_SECONDS)
            *rounds, last = ROUNDS
            for number, faults in enumerate(rounds):
                until("a job that runs", rehearsal.running, 240)
                rehearsal.round(faults)
                if number >= COMPARED_AFTER:
                    page.compare(tokens, calm_work)
                page.write()
                draw_pages(night.prometheus, page.began, time.time())
            take_pictures(folder / "chromium")
            until("a job that runs", rehearsal.running, 240)
            rehearsal.round(last)
            page.end = night.end_of(job.number)
            page.write()
            return 0 if page.good() else 1


if __name__ == "__main__":
    sys.exit(main())
