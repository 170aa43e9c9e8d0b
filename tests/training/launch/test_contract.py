"""What the launcher recognises of any program."""

import errno
import json
import os
import subprocess
import sys

import pytest

from training.launch.__main__ import main
from training.launch.contract import committed, rank_variables
from training.launch.environment import of_torch


def test_a_checkpoint_counts_once_it_is_committed(tmp_path, capsys):
    """Folders without the file that is written last are of writers that died."""
    for name in ("step-10", "step-00000020", "step-30", "step-40.partial", "step-x", "other-50"):
        (tmp_path / name).mkdir()
    for name in ("step-10", "step-00000020", "step-40.partial"):
        (tmp_path / name / ".metadata").touch()

    assert committed(tmp_path) == [20, 10]
    assert main(["progress", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "20\n"


@pytest.mark.parametrize(
    ("text", "steps"),
    [(b"120\n", [120]), (b"release", []), (b"", []), (b"\xff\xfe", []), (b"9" * 5000, [])],
)
def test_megatrons_tracker_counts(tmp_path, text, steps):
    (tmp_path / "latest_checkpointed_iteration.txt").write_bytes(text)
    assert committed(tmp_path) == steps


def test_a_folder_that_is_not_there_yet_is_step_0(tmp_path, capsys):
    assert main(["progress", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == "0\n"


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_read_is_not_step_0(tmp_path, monkeypatch, capsys, number):
    """Else a run would begin anew beside checkpoints that nobody could see."""

    def fails(*_):
        raise OSError(number, os.strerror(number), str(tmp_path))

    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, fails)
    assert main(["progress", str(tmp_path)]) == 69
    assert os.strerror(number) in capsys.readouterr().err


SLURM = {
    "SLURM_PROCID": "9",
    "SLURM_NTASKS": "16",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS_PER_NODE": "8",
}


def test_ranks_of_srun_are_told_what_torchrun_says():
    """And torchrun's own word stands."""
    assert rank_variables(SLURM) == {
        "RANK": "9",
        "WORLD_SIZE": "16",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "8",
    }
    assert rank_variables({**SLURM, "RANK": "0"}) == {}
    assert rank_variables({}) == {}


def test_ranks_of_srun_have_what_pytorch_is_to_be_told_and_the_jobs_own_word_stands():
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    own = {"TORCH_NCCL_DUMP_ON_TIMEOUT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "training.launch", "rank", "--", sys.executable, "-c", show],
        env={**os.environ, **SLURM, **own},
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)

    assert {name: found[name] for name in of_torch()} == {**of_torch(), **own}
    assert found["RANK"] == "9"
