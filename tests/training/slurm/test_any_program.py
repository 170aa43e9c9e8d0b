"""A program of somebody else under the shipped job script, as docs/training/contract.md has it."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.training.slurm.cluster import Slurm
from tests.training.slurm.jobs import SCRIPTS, VARIABLES
from training.launch.contract import committed

PROGRAM = """
import json, os, pathlib, sys, time
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
tracker = pathlib.Path("checkpoints/latest_checkpointed_iteration.txt")
tracker.parent.mkdir(exist_ok=True)
begin = int(tracker.read_text()) if tracker.exists() else 0
with open(f"started-{os.environ['RANK']}", "a") as file:
    file.write(json.dumps({"begin": begin, **{name: os.environ[name] for name in names}}) + "\\n")
if len(sys.argv) > 1:
    sys.exit(int(sys.argv[1]))
if os.environ["RANK"] == "0":
    # The other rank has read the tracker as well.
    mine = len(pathlib.Path("started-0").read_text().splitlines())
    other = pathlib.Path("started-1")
    while not other.exists() or len(other.read_text().splitlines()) < mine:
        time.sleep(0.05)
    tracker.write_text(str(begin + 3))
"""
"""As Megatron: it saves, names its newest checkpoint, and ends with 0 although it is not done."""


def submit(slurm: Slurm, work: Path, *arguments: str, **variables: str) -> int:
    """Submit the program, on two nodes of one rank each."""
    (work / "program.py").write_text(PROGRAM)
    return slurm.submit(
        SCRIPTS / "train.sbatch",
        *("--", sys.executable, "program.py", *arguments),
        options=("--nodes=2", "--ntasks-per-node=1"),
        work=work,
        **{**VARIABLES, **variables},
    )


def starts(work: Path, rank: int) -> list[dict[str, Any]]:
    """Return what a rank was told each time."""
    return [json.loads(line) for line in (work / f"started-{rank}").read_text().splitlines()]


def test_a_program_that_ends_before_its_last_step_goes_on(slurm: Slurm, tmp_path: Path):
    """It is run again from the checkpoint that it names, with the variables of torchrun."""
    given = {"ULTRACLUSTER_CHECKPOINTS": "checkpoints", "ULTRACLUSTER_LAST_STEP": "6"}
    number = submit(slurm, tmp_path, **given)
    ended = slurm.ended(number)

    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1")
    for rank in (0, 1):
        told = starts(tmp_path, rank)
        assert [each["begin"] for each in told] == [0, 3]
        assert {each["RANK"] for each in told} == {str(rank)}
        assert {each["WORLD_SIZE"] for each in told} == {"2"}
        assert {each["LOCAL_RANK"] for each in told} == {"0"}
        assert all(each["MASTER_ADDR"] and each["MASTER_PORT"] for each in told)
    assert committed(tmp_path / "checkpoints") == [6]


def test_a_program_that_no_longer_learns_is_not_run_again(slurm: Slurm, tmp_path: Path):
    """The next try would find the same weights."""
    number = submit(slurm, tmp_path, "65", ULTRACLUSTER_CHECKPOINTS="checkpoints")
    ended = slurm.ended(number)

    assert (ended["JobState"], ended["Restarts"], ended["ExitCode"]) == ("FAILED", "0", "65:0")
    assert "no longer learns" in (tmp_path / f"train-{number}.out").read_text()


def test_a_program_without_a_folder_of_checkpoints_is_refused(slurm: Slurm, tmp_path: Path):
    """Nobody could say whether it gets anywhere, and a crash would be repeated for ever."""
    number = submit(slurm, tmp_path)

    assert slurm.ended(number)["ExitCode"] == "2:0"
    said = (tmp_path / f"train-{number}.out").read_text()
    assert "ULTRACLUSTER_CHECKPOINTS is not set" in said
    assert "(not requeued)" in said
