"""Steps of the shipped job files ask for the node's GPUs where Slurm counts them."""

import subprocess
from pathlib import Path

import pytest

from tests.training.slurm.jobs import SCRIPTS

SCONTROL = """#!/bin/bash
case $* in
  "show node n1 --oneliner") echo "NodeName=n1 Arch=x86_64 Gres={gres} NodeAddr=10.0.0.1 Port=1" ;;
  "show hostnames"*) echo n1 ;;
esac
"""


@pytest.mark.parametrize("script", ["train", "nccl-acceptance", "deep-check"])
@pytest.mark.parametrize(
    ("gres", "asked"),
    [
        ("gpu:8", "--gres=gpu:8"),
        ("gpu:a100:8(S:0-1)", "--gres=gpu:a100:8"),
        ("gpu:8,nic:4", "--gres=gpu:8"),
        # A step that asks for what the node has not is refused.
        ("(null)", None),
    ],
)
def test_a_step_asks_for_the_gpus_of_the_node(
    script: str, gres: str, asked: str | None, tmp_path: Path
):
    """`--exclusive` gives the GPUs to the job, and steps get what they ask for (srun, --gres)."""
    commands = {
        "scontrol": SCONTROL.format(gres=gres),
        "srun": f'#!/bin/bash\necho "$@" >>{tmp_path}/asked\n',
        "python": "#!/bin/bash\necho 0\n",
        "sleep": "#!/bin/bash\n",
    }
    for name, text in commands.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    subprocess.run(
        ["/bin/bash", str(SCRIPTS / f"{script}.sbatch"), "p4d.24xlarge"],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "ULTRACLUSTER_PYTHON": f"{tmp_path}/python",
            "ULTRACLUSTER_ALL_REDUCE_PERF": "true",
            "ULTRACLUSTER_LOGS": str(tmp_path),
            "SLURM_JOB_ID": "1",
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_JOB_NODELIST": "n1",
            "SLURM_JOB_NAME": "job",
            "SLURMD_NODENAME": "n1",
            "SLURM_SUBMIT_DIR": str(tmp_path),
        },
        capture_output=True,
        check=False,
    )

    steps = (tmp_path / "asked").read_text().splitlines()
    found = [word for line in steps for word in line.split() if word.startswith("--gres")]
    assert found == ([asked] * len(found) if asked else [])
    assert bool(found) == bool(asked)
