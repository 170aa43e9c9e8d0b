"""torchtitan under the shipped job script on a real Slurm, and its weights in transformers."""

import subprocess
from pathlib import Path

import pytest

from tests.training.slurm.cluster import ROOT, SOON, Slurm, until
from tests.training.torchtitan.jobs import PYTHON, TitanJob, environment
from training.launch.contract import METADATA

LAST = 12


@pytest.fixture(scope="module")
def killed(session: Slurm, tokens: Path, tmp_path_factory) -> TitanJob:
    """A job of two nodes of which one is cut off in the middle, on the spare nodes."""
    job = TitanJob(session, tmp_path_factory.mktemp("torchtitan"), tokens)
    export = ("weights.export=hf", "weights.export_dtype=float32")
    job.submit(f"run.steps={LAST}", *export, nodes=2)
    first = job.work / "checkpoints" / "step-3" / METADATA
    until("the first checkpoint", first.exists, longest=SOON)
    job.until_step(5)
    session.cut("n2")
    session.power_on("n2")
    ended = session.ended(job.number)
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), job.output()
    return job


def test_a_killed_job_goes_on_from_its_checkpoint_bit_for_bit(killed: TitanJob):
    """The steps that were done twice are equal in loss and norm, and the run ends at its end."""
    steps = killed.steps()
    second = next(i for i in range(1, len(steps)) if steps[i][0] <= steps[i - 1][0])
    before = {number: figures for number, *figures in steps[:second]}
    after = {number: figures for number, *figures in steps[second:]}

    assert min(after) in {4, 7, 10}
    assert max(after) == LAST
    both = before.keys() & after.keys()
    assert both
    assert {n: before[n] for n in both} == {n: after[n] for n in both}
    assert after[LAST][0] < before[1][0]


def test_transformers_computes_the_same_logits_of_its_weights(killed: TitanJob):
    """They go out of a sharded run as safetensors, and come in as another run's initial weights."""
    done = subprocess.run(
        [
            PYTHON,
            "-W",
            "ignore",
            ROOT / "tests/training/torchtitan/same_logits.py",
            "hf",
            killed.tokens,
        ],
        cwd=killed.work,
        env=environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    difference, largest = map(float, done.stdout.split()[-2:])
    assert difference < 1e-5 * largest
