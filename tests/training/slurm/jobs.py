"""The shipped job script with a recipe that takes a processor seconds."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.training.slurm.cluster import ROOT, SOON, Slurm, until

SCRIPTS = ROOT / "training" / "slurm"
STEPS = 60
EVERY = 10
VARIABLES = {
    "ULTRACLUSTER_PYTHON": sys.executable,
    "ULTRACLUSTER_FABRIC": "none",
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "SLURM_WAIT": "2",
}
"""As a user exports them before sbatch; a dead node's tasks are waited for 2 s instead of 60."""
RECIPE = """
from training.settings import *

{before}
RECIPE = Settings(
    model=ModelSettings(layers=1, width=32, heads=4, vocabulary=320, sequence=16),
    data=DataSettings(path={tokens!r}, global_batch=4, micro_batch=1),
    run=RunSettings(steps={steps}, path="run", print_every=10, hang_seconds={hang_seconds}),
    parallel=ParallelSettings(partition_size={partition_size}),
    numerics=NumericsSettings(dtype="fp64", compile=False, loss_chunks=2),
    optimizer=OptimizerSettings(learning_rate=3e-3, warmup_steps=10),
    checkpoint=CheckpointSettings(path="checkpoints", every={every}),
)
"""

Curve = dict[int, tuple[float, float]]
"""Loss and norm of the gradient by step."""


class Job:
    """One job of `train.sbatch` and the folder that it is submitted from."""

    def __init__(self, slurm: Slurm | None, work: Path, tokens: Path) -> None:
        self._slurm, self.work, self.tokens = slurm, work, tokens
        self.number = 0

    @property
    def slurm(self) -> Slurm:
        """The cluster that it is submitted to."""
        assert self._slurm is not None
        return self._slurm

    def write_recipe(
        self,
        *,
        partition_size: int = 1,
        steps: int = STEPS,
        before: str = "",
        hang_seconds: float = 30.0,
    ) -> None:
        """Write what the run is.

        Args:
            partition_size: processes that hold one copy of the state.
            steps: length of the run.
            before: code that the recipe runs before it says so.
            hang_seconds: after which a rank is said to hang.
        """
        recipe = RECIPE.format(
            tokens=str(self.tokens),
            steps=steps,
            every=EVERY,
            partition_size=partition_size,
            before=before,
            hang_seconds=hang_seconds,
        )
        (self.work / "recipe.py").write_text(recipe)

    def submit(
        self,
        *options: str,
        nodes: int,
        partition_size: int = 1,
        steps: int = STEPS,
        before: str = "",
        hang_seconds: float = 30.0,
        **variables: str,
    ) -> None:
        """Submit the script, one process on each of some nodes.

        Args:
            options: more for sbatch.
            nodes: how many.
            partition_size: as in `write_recipe`, like the two that follow.
            steps: the same.
            before: the same.
            hang_seconds: the same.
            variables: more for the job's environment.
        """
        self.write_recipe(
            partition_size=partition_size, steps=steps, before=before, hang_seconds=hang_seconds
        )
        self.number = self.slurm.submit(
            SCRIPTS / "train.sbatch",
            "recipe.py",
            options=(f"--nodes={nodes}", "--ntasks-per-node=1", *options),
            work=self.work,
            **{**VARIABLES, **variables},
        )

    def output(self) -> str:
        """Return what the job has said."""
        file = self.work / f"train-{self.number}.out"
        return file.read_text() if file.exists() else ""

    def record(self) -> list[dict[str, Any]]:
        """Return what the program has recorded so far, whole lines only."""
        file = self.work / "run" / "metrics.jsonl"
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text().rpartition("\n")[0].splitlines()]

    def curve(self) -> Curve:
        """Return loss and norm of each step; where a step occurs twice, the later one counts."""
        return {e["step"]: (e["loss"], e["norm"]) for e in self.record() if e["event"] == "step"}

    def starts(self) -> list[int]:
        """Return the steps from which the program went on."""
        return [e["step"] for e in self.record() if e["event"] == "start"]

    def until_step(self, step: int) -> None:
        """Wait until a step is done."""
        what = f"step {step} of job {self.number}:\n{self.output()}"
        until(what, lambda: step in self.curve(), longest=SOON)

    def ended(self) -> dict[str, str]:
        """Wait for its end."""
        return self.slurm.ended(self.number)
