"""train.sbatch on a real Slurm of four nodes: what it survives, and what it gives up on."""

from pathlib import Path

import pytest

from tests.slurm.cluster import SPARE, Slurm, until
from tests.slurm.jobs import EVERY, STEPS, Job

LEISURELY = """
import os
if "SLURM_SRUN_COMM_HOST" in os.environ:
    import time
    from training.trainer import Trainer
    step = Trainer._step
    Trainer._step = lambda *given: time.sleep(0.3) or step(*given)
"""
"""Steps that take their time, as real ones do, and leave the processor to other tests."""


@pytest.fixture(scope="module", autouse=True)
def out_of_time(session: Slurm, tokens: Path, tmp_path_factory) -> Job:
    """A job that its time limit of a minute stops, running beside all others from the beginning."""
    job = Job(session, tmp_path_factory.mktemp("out-of-time"), tokens)
    # Slurm looks at limits every 30 s, and warns up to that much early.
    options = (f"--nodelist={SPARE}", "--partition=beside", "--time=1", "--signal=TERM@5")
    job.submit(*options, nodes=1, steps=1_000_000, before=LEISURELY)
    return job


@pytest.fixture(scope="module")
def undisturbed(session: Slurm, tokens: Path, tmp_path_factory) -> dict[int, tuple[float, float]]:
    """The curve of a run that nobody stopped."""
    job = Job(session, tmp_path_factory.mktemp("undisturbed"), tokens)
    job.submit(nodes=4, partition_size=2)
    ended = job.ended()
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "0"), job.output()
    assert sorted(job.curve()) == list(range(1, STEPS + 1))
    return job.curve()


def test_nodes_die_and_the_curve_is_the_same(job: Job, undisturbed: dict[int, tuple[float, float]]):
    """The job goes back to the queue by itself, and on from its last checkpoint, bit for bit.

    First a node dies of which the job script only hears; then the one that runs the script.
    """
    job.submit(nodes=4, partition_size=2)
    for victim, step in (("n3", 2 * EVERY + 3), ("n1", 4 * EVERY + 3)):
        job.until_step(step)
        job.slurm.cut(victim)
        # What replaces it: an empty machine of the same name.
        job.slurm.power_on(victim)
    ended = job.ended()

    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "2"), job.output()
    first, second, third = job.starts()
    assert first == 0
    assert second in {EVERY, 2 * EVERY}
    assert third in {3 * EVERY, 4 * EVERY}
    assert job.curve() == undisturbed


def test_a_mistake_is_found_before_any_rank_is_started(job: Job):
    """Five hundred nodes need not load PyTorch to say that a batch is no number."""
    job.submit(nodes=4, steps=0)
    ended = job.ended()

    assert (ended["JobState"], ended["ExitCode"]) == ("FAILED", "2:0"), job.output()
    assert "run.steps = 0: must be at least 1; write 1 or more" in job.output()
    assert "(not requeued)" in job.output()
    assert not (job.work / "run").exists()


def test_the_job_is_told_before_its_time_is_up(out_of_time: Job):
    """It saves, ends by itself, and is back in the queue with a new limit."""
    job = out_of_time
    until(f"a second start:\n{job.output()}", lambda: len(job.starts()) > 1)
    job.slurm.ask("scancel", str(job.number))

    stopped = next(e for e in job.record() if e["event"] == "stopped")
    assert job.starts()[:2] == [0, stopped["step"]]
    assert "stopped after a checkpoint; requeued" in job.output()
