"""The command as a scheduler runs it: one process, real signals, exit codes, its record."""

import json
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.training.training_cases import ENVIRONMENT, ROOT, python

SMALL = [
    "model.width=32",
    "model.sequence=32",
    "run.steps=60",
    "checkpoint.every=20",
    "run.peak_tflops=1",
    "data.validation_every=30",
    "data.validation_sequences=8",
]


def command(work, name: str, *changes: str) -> list[str]:
    """Return the arguments of a run in a folder of its own."""
    values = [
        *SMALL,
        f"data.path={work / 'tokens'}",
        f"data.validation_path={work / 'tokens'}",
        f"run.path={work / name}",
        f"checkpoint.path={work / name}/checkpoints",
        *changes,
    ]
    return ["-m", "training.train", "smoke", *(p for v in values for p in ("--set", v))]


def record(work, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / name / "metrics.jsonl").open()]


def losses(events: list[dict[str, Any]]) -> dict[int, float]:
    return {e["step"]: e["loss"] for e in events if e["event"] == "step"}


@pytest.fixture(scope="module")
def undisturbed(work):
    """The record of a run that nobody stopped."""
    done = python(*command(work, "undisturbed"))
    assert done.returncode == 0, done.stdout
    return record(work, "undisturbed")


def test_sigterm_saves_and_the_same_command_goes_on(work, undisturbed):
    """75 tells the scheduler to requeue; the curve ends as if nothing had happened."""
    arguments = [sys.executable, *command(work, "stopped")]
    process = subprocess.Popen(arguments, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    file = work / "stopped" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (
        not file.exists() or '"step": 5,' not in file.read_text()
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    stopped = record(work, "stopped")
    at = stopped[-1]["step"]
    assert stopped[-1]["event"] == "stopped"
    assert 5 <= at < 60
    assert (work / "stopped" / "checkpoints" / f"step-{at:08d}" / "manifest.json").is_file()
    assert python(*command(work, "stopped")).returncode == 0
    resumed = record(work, "stopped")
    assert [e["step"] for e in resumed if e["event"] == "start"] == [0, at]
    assert losses(resumed) == losses(undisturbed)


def test_record_is_complete_for_a_machine(undisturbed):
    start = undisturbed[0]
    assert start["event"] == "start"
    assert "6N + 12*L*h*s" in start["formula"]
    steps = [e for e in undisturbed if e["event"] == "step"]
    assert [e["step"] for e in steps] == list(range(1, 61))
    model = start["settings"]["model"]
    flops = 6 * start["parameters"] + 12 * model["layers"] * model["width"] * model["sequence"]
    for e in steps:
        assert e["mfu"] == pytest.approx(flops * e["tokens"] / e["seconds"] / 1e12)
        assert {"loss", "norm", "lr", "tokens_per_s_per_gpu", "memory_gib", "data_wait_s"} <= set(e)
    assert steps[-1]["loss"] < steps[0]["loss"] - 1
    validations = [e for e in undisturbed if e["event"] == "validation"]
    assert [e["step"] for e in validations] == [30, 60]
    assert abs(validations[-1]["loss"] - steps[-1]["loss"]) < 0.6
    assert undisturbed[-1]["event"] == "done"


@pytest.mark.usefixtures("undisturbed")
def test_old_checkpoints_make_room(work):
    done = python(*command(work, "undisturbed", "run.steps=70", "checkpoint.keep=2"))
    assert done.returncode == 0, done.stdout
    left = sorted(p.name for p in (work / "undisturbed" / "checkpoints").iterdir())
    assert left == ["step-00000060", "step-00000070"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            ["parallel.partition_size=3"],
            "does not divide the 1 ranks: a rank would be left without a group; write 1",
        ),
        (["data.path=nowhere"], "data.path = 'nowhere': holds no index.json"),
        (["model.heads=5", "run.steps=-1"], "run.steps = -1: must be at least 1; write 1 or more"),
    ],
)
def test_mistakes_end_with_a_sentence_and_no_trace(work, changes, said):
    done = python(*command(work, "mistaken", *changes))
    assert done.returncode == 2
    assert said in done.stdout
    assert "Traceback" not in done.stdout
