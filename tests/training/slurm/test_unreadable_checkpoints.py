"""The job script where checkpoints cannot be read for a while: Slurm's programs are replaced."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "training/slurm/train.sbatch"
PROGRAMS = {
    "scontrol": """
case "$*" in
  "show node"*) echo "NodeName=n1 NodeAddr=127.0.0.1 Gres=(null) State=IDLE" ;;
  "show job"*) echo "JobId=7 $(cat comment 2>/dev/null) Nodes=1" ;;
  update*) echo " $3" >comment ;;
  requeue*) echo requeue >>requeues ;;
esac""",
    "sleep": "",
    "srun": 'exit "$(cat program)"',
    "python": 'status=$(head -n 1 answers); sed -i 1d answers; echo 12; exit "$status"',
}
"""What `python` ends with when it is asked for the newest checkpoint stands in `answers`."""


@pytest.fixture
def start(tmp_path):
    """Start the script with what each question for a checkpoint ends with, and the program."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def run(*answers: int, program: int = 0) -> tuple[int, str]:
        (tmp_path / "answers").write_text("".join(f"{each}\n" for each in answers))
        (tmp_path / "program").write_text(str(program))
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "ULTRACLUSTER_PYTHON": str(tmp_path / "python"),
            "ULTRACLUSTER_FABRIC": "none",
            "SLURM_JOB_ID": "7",
            "SLURMD_NODENAME": "n1",
            "SLURM_JOB_NODELIST": "n1",
            "SLURM_JOB_NUM_NODES": "1",
        }
        command = ["bash", str(SCRIPT), "smoke"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    return run


def test_a_file_system_that_does_not_answer_is_tried_again(start, tmp_path):
    """Before the ranks start, and after they have failed for the same reason."""
    assert "1 of 3; requeued" in start(69)[1]
    assert start(69)[0] == 69
    assert "after the checkpoint of step 12, 1 of 3; requeued" in start(0, 69, program=1)[1]
    assert len((tmp_path / "requeues").read_text().splitlines()) == 3


def test_it_is_not_tried_for_ever(start, tmp_path):
    """Three times, as everything else that gets nowhere; what works again is no failure."""
    for count in (1, 2, 3):
        assert f"{count} of 3; requeued" in start(0, 69, program=1)[1]
    status, said = start(69)
    assert status == 69
    assert "4 times in a row at step 12 (not requeued)" in said
    assert len((tmp_path / "requeues").read_text().splitlines()) == 3
    assert start(0)[0] == 0
