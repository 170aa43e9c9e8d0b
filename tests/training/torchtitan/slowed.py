"""Three ranks of torchtitan of which one is slow and then another stops; see test_blame.py.

    .venv-torchtitan/bin/python -m tests.training.torchtitan.slowed FOLDER TOKENS

torchtitan is imported once, and the ranks are forked. Processors and gloo stand in for GPUs and
NCCL.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from training.torchtitan import device

device.choose()
from torchtitan.models.llama3.model import Llama3TransformerBlock  # noqa: E402

from tests.training.forked import forked, meeting_place  # noqa: E402
from training.heartbeat import VARIABLE  # noqa: E402
from training.torchtitan import __main__ as program  # noqa: E402
from training.torchtitan.trainer import Run  # noqa: E402

RANKS, FROM, STOPS, DIES = 3, 7, 16, 3
SLOW, STOPPED, DEAD = 1, 2, 1
USUAL = 0.1
"""Seconds that every rank sleeps in a step, so that steps are alike whatever else runs here."""
SETTINGS = {
    "model.sequence": "16",
    "data.global_batch": "3",
    "data.micro_batch": "1",
    "parallel.partition_size": "3",
    "checkpoint.every": "6",
    "run.steps": "40",
    "run.print_every": "1",
    "run.hang_seconds": "1",
}


def planted(rank: int, case: str) -> None:
    """Have this rank be slow, stop or fail at its step."""
    step, block = Run.train_step, Llama3TransformerBlock.forward
    now = 0

    def counted(self: Any, batches: Any) -> Any:
        nonlocal now
        now = self.step
        time.sleep(USUAL)
        if case == "stops" and rank == STOPPED and now == STOPS:
            os.kill(os.getpid(), signal.SIGSTOP)
        if case == "dies" and rank == DEAD and now == DIES:
            raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
        return step(self, batches)

    def slow(self: Any, *given: Any, **named: Any) -> Any:
        if case == "stops" and rank == SLOW and now >= FROM:
            time.sleep(USUAL / 2)
        return block(self, *given, **named)

    Run.train_step, Llama3TransformerBlock.forward = counted, slow


def rank_of(case: str, number: int, tokens: str) -> int:
    """Run one rank in the case's folder, and return its exit status."""
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "SLURMD_NODENAME": f"n{number}"}
    planted(number, case)
    changes = {**SETTINGS, "data.path": tokens}
    sets = [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]
    return program.main(["llama3-smoke", *sets])


def played(folder: Path, case: str, tokens: str) -> None:
    """Run a case, and print how the ranks ended that were not stopped."""
    (folder / "heart").mkdir(parents=True)
    os.chdir(folder)
    os.environ |= {**meeting_place(), "WORLD_SIZE": str(RANKS)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(RANKS), VARIABLE: f"{folder}/heart"}
    os.environ["ULTRACLUSTER_SUSPECTS"] = f"{folder}/suspects"
    children = forked(RANKS, lambda number: rank_of(case, number, tokens))
    # As srun does: what is left when the others have ended is killed.
    stopped = children.pop() if case == "stops" else None
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if stopped:
        os.kill(stopped, signal.SIGKILL)
        os.waitpid(stopped, 0)
    sys.stdout.write(f"{case}: ends {ends}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in ("stops", "dies"):
        played(Path(sys.argv[1]) / each, each, sys.argv[2])
