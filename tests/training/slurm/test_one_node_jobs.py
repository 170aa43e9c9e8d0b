"""train.sbatch on one node each, side by side: how jobs end, and which of them come back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.slurm.cluster import Slurm, whole
from tests.training.slurm.jobs import EVERY, Job

CRASHES = "import os\nassert 'SLURM_SRUN_COMM_HOST' not in os.environ, 'no luck on the nodes'"
"""The recipe can be read where the script is run, and not where the ranks are."""


@pytest.fixture(scope="module")
def jobs(session: Slurm, tokens: Path, tmp_path_factory) -> Iterator[dict[str, Job]]:
    """All of them, submitted, and the one that is told to stop told so."""
    names = ("stopped", "cancelled", "crashing", "mistaken")
    jobs = {name: Job(session, tmp_path_factory.mktemp(name), tokens) for name in names}
    jobs["crashing"].submit(nodes=1, before=CRASHES, ULTRACLUSTER_MOST_FAILURES="1")
    jobs["stopped"].submit(nodes=1, steps=150)
    jobs["cancelled"].submit(nodes=1, steps=1_000_000)
    # The ranks find this one: it takes knowing how many there are.
    jobs["mistaken"].submit(nodes=1, partition_size=3)
    jobs["stopped"].until_step(EVERY + 2)
    # As Slurm does before a time limit or a preemption: to the tasks, not to the script.
    session.ask("scancel", "--signal=TERM", str(jobs["stopped"].number))
    jobs["cancelled"].until_step(1)
    session.ask("scancel", str(jobs["cancelled"].number))
    with whole(session):
        yield jobs


def test_a_job_that_is_told_to_stop_saves_and_comes_back(jobs: dict[str, Job]):
    """Preemption and time limits cost nothing but the wait."""
    job = jobs["stopped"]
    ended = job.ended()

    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), job.output()
    stopped = next(e for e in job.record() if e["event"] == "stopped")
    assert job.starts() == [0, stopped["step"]]
    assert "stopped after a checkpoint; requeued" in job.output()


def test_a_cancelled_job_stays_cancelled(jobs: dict[str, Job]):
    """Its user wants it gone, not saved and started anew."""
    ended = jobs["cancelled"].ended()

    assert (ended["JobState"], ended["Restarts"]) == ("CANCELLED", "0")


def test_a_program_that_gets_nowhere_is_given_up(jobs: dict[str, Job]):
    """It would otherwise take the nodes for ever."""
    job = jobs["crashing"]
    ended = job.ended()

    assert (ended["JobState"], ended["ExitCode"]) == ("FAILED", "1:0"), job.output()
    assert ended["Restarts"] == "1"
    assert "failed with status 1, 2 times in a row at step 0" in job.output()


def test_a_mistake_that_only_the_ranks_can_see_is_not_requeued(jobs: dict[str, Job]):
    """A thousand starts do not mend it."""
    job = jobs["mistaken"]
    ended = job.ended()

    assert (ended["JobState"], ended["ExitCode"]) == ("FAILED", "2:0"), job.output()
    assert ended["Restarts"] == "0"
    assert "parallel.partition_size = 3: does not divide the 1 ranks" in job.output()
