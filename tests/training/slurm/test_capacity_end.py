"""Capacity that ends, on a real Slurm: what would cross the end waits, what runs saves first."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.training.slurm.cluster import Slurm, until
from tests.training.slurm.jobs import Job
from tests.training.slurm.machine import PROGRAMS
from tests.training.slurm.test_training_job import LEISURELY

ENDS = PROGRAMS / "ends.py"
NODES = "n[1-2]"


def ends(slurm: Slurm, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as an operator does on a login node."""
    command = [sys.executable, str(ENDS), *words]
    environment = slurm.environment()
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=False)


def at(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


def test_jobs_leave_before_the_end_and_none_crosses_it(job: Job, tmp_path: Path):
    slurm = job.slurm
    job.submit("--nodelist=n1", "--signal=TERM@5", nodes=1, steps=10**6, before=LEISURELY)
    script = tmp_path / "short.sh"
    script.write_text("#!/bin/bash\necho ran\n")
    job.until_step(3)

    done = ends(slurm, at(75), NODES, "--margin=5")
    assert done.returncode == 0, done.stderr
    assert f"'{job.number}'" in done.stdout
    try:
        fits = slurm.submit(script, options=("--nodelist=n2", "--time=1"), work=tmp_path)
        crosses = slurm.submit(script, options=("--nodelist=n2", "--time=10"), work=tmp_path)

        assert slurm.ended(fits)["JobState"] == "COMPLETED"
        until("saved", lambda: "stopped after a checkpoint; requeued" in job.output())
        assert slurm.job(crosses)["JobState"] == "PENDING"
        until("back in the queue", lambda: slurm.job(job.number)["JobState"] == "PENDING")
        stopped = next(e for e in job.record() if e["event"] == "stopped")
        assert stopped["step"] >= 3
    finally:
        assert ends(slurm, "never", NODES).returncode == 0

    # Another block begins: what waited for nodes starts.
    assert slurm.ended(crosses)["JobState"] == "COMPLETED"
    until("goes on", lambda: len(job.starts()) > 1)
    assert job.starts()[1] == stopped["step"]


def test_an_end_can_be_moved(slurm: Slurm):
    """A block was extended."""
    try:
        assert ends(slurm, at(3600), NODES).returncode == 0
        before = slurm.ask("scontrol", "show", "reservation", "-o")
        assert ends(slurm, at(7200), NODES).returncode == 0
        after = slurm.ask("scontrol", "show", "reservation", "-o")
        assert before.count("ReservationName") == after.count("ReservationName") == 1
        assert before != after
    finally:
        ends(slurm, "never", NODES)
    assert ends(slurm, "never", NODES).returncode == 0, "and may be asked for again"


@pytest.mark.parametrize(
    ("end", "words"),
    [("tomorrow", "is no time"), ("2026-12-04T11:00:00", "has no time zone")],
)
def test_what_is_no_time_is_refused(end: str, words: str):
    command = [sys.executable, str(ENDS), end, NODES]
    done = subprocess.run(command, text=True, capture_output=True, check=False)

    assert done.returncode == 2
    assert words in done.stderr
