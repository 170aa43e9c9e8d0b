"""train.sbatch on a real Slurm of four nodes: what it survives, and what it gives up on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.slurm.cluster import Slurm, until
from tests.training.slurm.jobs import EVERY, STEPS, VARIABLES, Curve, Job

LEISURELY = """
import os
if "SLURM_SRUN_COMM_HOST" in os.environ:
    import time
    from training.trainer import Trainer
    step = Trainer._step
    Trainer._step = lambda *given: time.sleep(0.1) or step(*given)
"""
"""Steps that take their time, as real ones do, and leave the processor to other tests."""


@pytest.fixture(scope="module", autouse=True)
def out_of_time(session: Slurm, tokens: Path, tmp_path_factory) -> Job:
    """A job that its time limit of a minute stops, running beside all others from the beginning."""
    job = Job(session, tmp_path_factory.mktemp("out-of-time"), tokens)
    # Slurm looks at limits every 30 s, and warns up to that much early.
    options = ("--partition=beside", "--time=1", "--signal=TERM@5")
    job.submit(*options, nodes=1, steps=1_000_000, before=LEISURELY)
    return job


@pytest.fixture(scope="module", autouse=True)
def orphaned(session: Slurm, tokens: Path, tmp_path_factory, out_of_time: Job) -> Job:
    """A job beside all others whose node dies, with the script of the job on it."""
    job = Job(session, tmp_path_factory.mktemp("orphaned"), tokens)
    job.submit("--partition=beside", nodes=1, steps=2 * STEPS, before=LEISURELY)
    out_of_time.until_step(1)
    job.until_step(EVERY + 2)
    session.cut(session.job(job.number)["BatchHost"])
    return job


@pytest.fixture(scope="module")
def undisturbed(tokens: Path, tmp_path_factory) -> Curve:
    """The curve of a run of four processes that nobody stopped, without Slurm."""
    job = Job(None, tmp_path_factory.mktemp("undisturbed"), tokens)
    job.write_recipe(partition_size=2)
    module = "tests.training.slurm.undisturbed"
    done = subprocess.run(
        [sys.executable, "-m", module, "4", "recipe.py"],
        cwd=job.work,
        env={**os.environ, **VARIABLES},
        check=False,
    )
    assert done.returncode == 0
    assert sorted(job.curve()) == list(range(1, STEPS + 1))
    return job.curve()


def test_a_node_dies_and_the_curve_is_the_same(job: Job, undisturbed: Curve):
    """The job goes back to the queue by itself, and on from its last checkpoint, bit for bit."""
    job.submit(nodes=4, partition_size=2)
    job.until_step(2 * EVERY + 3)
    job.slurm.cut("n3")
    # What replaces it: an empty machine of the same name.
    job.slurm.power_on("n3")
    ended = job.ended()

    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), job.output()
    assert ended["NodeList"] == "n[1-4]"
    first, second = job.starts()
    assert first == 0
    # A machine that does much else cuts the node off some steps later.
    assert second in {EVERY, 2 * EVERY, 3 * EVERY}
    assert job.curve() == undisturbed


def test_a_mistake_is_found_before_any_rank_is_started(job: Job):
    """Five hundred nodes need not load PyTorch to say that a batch is no number."""
    job.submit(nodes=4, steps=0)
    ended = job.ended()

    assert (ended["JobState"], ended["ExitCode"]) == ("FAILED", "2:0"), job.output()
    assert "run.steps = 0: must be at least 1; write 1 or more" in job.output()
    assert "(not requeued)" in job.output()
    assert not (job.work / "run").exists()


def test_a_job_survives_the_node_that_runs_its_script(orphaned: Job):
    """Nobody is left to ask for a requeue: Slurm finds the node silent, and does it by itself."""
    job = orphaned
    ended = job.ended()

    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), job.output()
    assert job.starts()[0] == 0
    assert job.starts()[1] in {EVERY, 2 * EVERY, 3 * EVERY}
    assert sorted(job.curve()) == list(range(1, 2 * STEPS + 1))
    assert "requeued" not in job.output()


def test_the_job_is_told_before_its_time_is_up(out_of_time: Job):
    """It saves, ends by itself, and is back in the queue with a new limit."""
    job = out_of_time
    until(f"a second start:\n{job.output()}", lambda: len(job.starts()) > 1)
    job.slurm.ask("scancel", str(job.number))

    stopped = next(e for e in job.record() if e["event"] == "stopped")
    assert job.starts()[:2] == [0, stopped["step"]]
    assert "stopped after a checkpoint; requeued" in job.output()
