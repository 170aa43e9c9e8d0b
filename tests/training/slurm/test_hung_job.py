"""A rank hangs on a real Slurm: the job goes on without its node, and nobody has to do anything."""

from tests.training.slurm.cluster import until
from tests.training.slurm.jobs import EVERY, Job

STOPS = """
import os, signal
if "SLURM_SRUN_COMM_HOST" in os.environ and os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
    from training.trainer import Trainer
    step = Trainer._step
    def stops(self, feed):
        if self.step == 13 and os.environ["SLURM_PROCID"] == "1":
            os.kill(os.getpid(), signal.SIGSTOP)
        return step(self, feed)
    Trainer._step = stops
"""


def test_a_job_whose_rank_hangs_goes_on_without_its_node(job: Job):
    """The program names it within seconds, and nobody has to requeue anything."""
    job.submit(nodes=2, before=STOPS, hang_seconds=1.0)
    until("named", lambda: any(each["event"] == "failed" for each in job.record()))
    ended = job.ended()

    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), job.output()
    (failed,) = [each for each in job.record() if each["event"] == "failed"]
    assert (failed["rank"], ended["ExcNodeList"]) == (1, failed["node"])
    names = job.slurm.ask("scontrol", "show", "hostnames", ended["NodeList"]).split()
    assert len(names) == 2
    assert failed["node"] not in names
    assert f"{failed['node']} left out from now on" in job.output()
    assert job.starts() == [0, EVERY]
