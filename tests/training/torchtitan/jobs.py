"""A job of torchtitan on the tests' Slurm, with a Llama 3 that a processor trains."""

import json
import os
from pathlib import Path
from typing import Any

from tests.training.slurm.cluster import ROOT, SOON, Slurm, until
from tests.training.slurm.jobs import SCRIPTS, VARIABLES

PYTHON = ROOT / ".venv-torchtitan" / "bin" / "python"
SETTINGS = (
    "model.sequence=16",
    "data.global_batch=4",
    "data.micro_batch=1",
    "parallel.partition_size=2",
    "checkpoint.every=3",
    "run.print_every=1",
)
"""Of `llama3-smoke`: two ranks that share the weights, two micro-batches to a step."""


class TitanJob:
    """One job of `train.sbatch` and the folder that it is submitted from."""

    def __init__(self, slurm: Slurm, work: Path, tokens: Path) -> None:
        self.slurm, self.work, self.tokens = slurm, work, tokens
        self.number = 0

    def submit(self, *settings: str, nodes: int) -> None:
        changes = [part for s in (*SETTINGS, *settings) for part in ("--set", s)]
        self.number = self.slurm.submit(
            SCRIPTS / "train.sbatch",
            *("torchtitan", "llama3-smoke", *changes, "--set", f"data.path={self.tokens}"),
            options=(f"--nodes={nodes}", "--ntasks-per-node=1"),
            work=self.work,
            **{**VARIABLES, "ULTRACLUSTER_PYTHON": str(PYTHON), "PYTHONWARNINGS": "ignore"},
        )

    def output(self) -> str:
        file = self.work / f"train-{self.number}.out"
        return file.read_text() if file.exists() else ""

    def record(self) -> list[dict[str, Any]]:
        file = self.work / "run" / "metrics.jsonl"
        lines = file.read_text().rpartition("\n")[0].splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def steps(self) -> list[tuple[int, float, float]]:
        """Return number, loss and norm of each step that was done, in the order of time."""
        return [(e["step"], e["loss"], e["norm"]) for e in self.record() if e["event"] == "step"]

    def until_step(self, step: int) -> None:
        what = f"step {step}:\n{self.output()}"
        until(what, lambda: step in [n for n, *_ in self.steps()], longest=SOON)


def environment(**more: str) -> dict[str, str]:
    """Return what a program started with `PYTHON` needs."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "LOCAL_RANK": "0",
        **more,
    }
