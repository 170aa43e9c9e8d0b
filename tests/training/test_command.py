"""The command as a scheduler runs it: one process, real signals, exit codes, its record."""

import json
import resource
import signal
import socket
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

PATIENCE = 300
"""Seconds; a machine that does much else takes a minute for PyTorch's start alone."""


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
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and (
        not file.exists() or '"step": 5,' not in file.read_text()
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 75
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
        (
            ["run.path=/dev/null/run"],
            "run.path = '/dev/null/run': /dev/null/run/metrics.jsonl cannot",
        ),
        (
            ["checkpoint.path=/dev/null/c"],
            "checkpoint.path = '/dev/null/c': cannot be written (Not",
        ),
        (
            ["optimizer.betas=0.9"],
            "optimizer.betas = (0.9,): are two decay factors; write two, as in",
        ),
        (["optimizer.learning_rate=nan"], "optimizer.learning_rate = nan: is no finite number"),
        (["optimizer.final_fraction=inf"], "optimizer.final_fraction = inf: is no finite number"),
        (
            ["run.seed=4294967296"],
            "run.seed = 4294967296: must be at most 4294967295",
        ),
        (["model.heads=5", "run.steps=-1"], "run.steps = -1: must be at least 1; write 1 or more"),
    ],
)
def test_mistakes_end_with_a_sentence_and_no_trace(work, changes, said):
    done = python(*command(work, "mistaken", *changes))
    assert done.returncode == 2
    assert said in done.stdout
    assert "Traceback" not in done.stdout


def limited_files():
    """Let no file grow beyond 64 KiB: to whoever writes one it is a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))


def test_a_run_whose_last_checkpoint_failed_does_not_end_well(work):
    """Its weights are gone: the scheduler must not take that for done, nor the disk stay full."""
    arguments = command(work, "unsaved", "run.steps=20", "checkpoint.every=10")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        text=True,
        capture_output=True,
        check=False,
        preexec_fn=limited_files,
    )
    assert done.returncode == 74, done.stderr
    assert done.stdout.count("NO CHECKPOINT was written (rank 0: ") == 2
    assert "GB are free, and a checkpoint takes 0.00" in done.stdout
    assert "ended after step 20, which is NOT SAVED: there is none" in done.stdout
    assert list((work / "unsaved" / "checkpoints").iterdir()) == []
    assert record(work, "unsaved")[-1]["status"] == 74

    assert python(*arguments).returncode == 0
    assert [e["step"] for e in record(work, "unsaved") if e["event"] == "done"] == [20]


def test_a_run_that_goes_on_with_other_data_says_so(work):
    """The step decides which sequences come next only together with seed and batch."""
    assert python(*command(work, "other", "run.steps=4")).returncode == 0
    done = python(*command(work, "other", "run.steps=6", "run.seed=9", "data.global_batch=4"))
    assert done.returncode == 0
    assert "run.seed = 9: it was 0 when the checkpoint was written" in done.stdout
    assert "data.global_batch = 4: it was 8 when" in done.stdout
    assert "model.sequence" not in done.stdout


def test_damaged_tokens_end_with_a_sentence(work, tmp_path):
    (tmp_path / "index.json").write_text('{"vocabulary": 257, "shards": [{"file"')
    done = python(*command(work, "mistaken", f"data.path={tmp_path}"))
    assert done.returncode == 2
    assert "index.json: cannot be read (JSONDecodeError" in done.stdout
    assert "Traceback" not in done.stdout


RECIPE_BY_RANK = """
import os
from training.recipes import SMOKE
RANK = os.environ["RANK"]
RECIPE = SMOKE.override({{"data.path": {tokens!r} if RANK == "0" else "nowhere", "run.path": "none",
                         "checkpoint.path": "none", "checkpoint.every": "0"}})
"""


def test_what_one_node_lacks_is_said_though_rank_0_has_it(work, tmp_path):
    """Rank 0 alone speaks; a node without its mount would end the job without a word."""
    recipe = tmp_path / "recipe.py"
    recipe.write_text(RECIPE_BY_RANK.format(tokens=str(work / "tokens")))
    done = python("-m", "tests.training.ranks", "2", "training.train", str(recipe))
    host = socket.gethostname()
    assert done.stdout.count(f"rank 1 on {host}: data.path = 'nowhere': holds no index.json") == 1
    ends = [int(each) for each in done.stdout.rpartition("ends [")[2].rstrip("]\n").split(",")]
    assert 69 in ends, "a scheduler tries other nodes where one is at fault"
