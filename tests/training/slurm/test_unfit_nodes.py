"""The shipped prolog in a real Slurm: an unfit node is out, and the job is not held."""

from pathlib import Path

import pytest

from tests.training.slurm.cluster import Slurm, until
from tests.training.slurm.machine import Machine

# It ends at its first failed command: where the second node's check fails while the
# first node has begun the script, srun is refused and Slurm requeues the job.
SCRIPT = "#!/bin/bash -e\n#SBATCH --open-mode=append\n#SBATCH --requeue\nsrun hostname\necho ran\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A job that only says that it ran."""
    file = tmp_path / "job.sh"
    file.write_text(SCRIPT)
    return file


def test_an_unfit_node_is_drained_and_the_job_runs_elsewhere(
    slurm: Slurm, machine: Machine, script: Path, tmp_path: Path
):
    """Whoever looks at the node reads why; whoever sent the job sees nothing of it."""
    (machine.folder / "n2" / "gpus").write_text("0, 0\n1, 0\n")
    try:
        job = slurm.submit(script, options=("--nodes=3",), work=tmp_path)
        too_large = slurm.submit(script, options=("--nodes=4",), work=tmp_path)
        ended = slurm.ended(job)
        until("drained", lambda: slurm.states()["n2"] == "drain")

        assert slurm.reason("n2") == "ultracluster check: reboot: 2 GPUs instead of 8"
        assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1")
        assert ended["NodeList"] == "n[1,3-4]"
        assert (tmp_path / f"{script.name}-{job}.out").read_text().count("ran") == 1
        # No priority of 0: it waits for a fourth node, and for no operator.
        assert slurm.job(too_large)["JobState"] == "PENDING"
        assert slurm.job(too_large)["Priority"] != "0"
    finally:
        machine.mend("n2")
