"""Three ranks of which one is slowed or stopped, each a process; started by test_blame.py.

    python -m tests.training.slowed FOLDER

Torch is imported once, and the ranks of each case are forked. Processors and gloo stand in for
GPUs and NCCL, and a sleep in the collectives of a rank for a slow network card.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist

from tests.training.alone import Run
from tests.training.forked import forked, meeting_place
from training.checkpoint import Checkpoints
from training.mesh import Launch
from training.model import Block
from training.tokens import TokenFolder
from training.train import train
from training.trainer import Trainer

RANKS: Final = 3
FROM: Final = 8
"""Step from which on a rank is slow."""
USUAL: Final = 0.1
"""Seconds that every rank sleeps in a step, so that steps are alike whatever else runs here."""
FOREVER: Final = 6000.0
STEPS: Final = 24
Fault = Callable[[], object]
Changes = dict[str, str]


class Now:
    """Where this rank is, and what a step has taken it before anything was slow."""

    step, usual = 0, USUAL


def _late(owner: Any, name: str, times: float, begin: int = FROM) -> None:
    """Have a function of this rank take so many steps longer, from a step on."""
    real = getattr(owner, name)

    def slow(*given: Any, **named: Any) -> Any:
        if Now.step >= begin:
            time.sleep(times * Now.usual)
        return real(*given, **named)

    setattr(owner, name, slow)


def _stops() -> None:
    real = Trainer._step

    def step(self: Trainer, feed: Any) -> Any:
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGSTOP)
        return real(self, feed)

    Trainer._step = step  # type: ignore[method-assign]


def _card() -> None:
    _late(dist, "all_reduce", 1.0)
    _late(dist, "batch_isend_irecv", 1.0)


SHORT: Final = {"run.hang_seconds": "1"}
EVERYBODY: Final = -2
CASES: Final[dict[str, tuple[int, Fault, Changes]]] = {
    "calm": (
        -1,
        lambda: None,
        {
            "run.steps": "28",
            "checkpoint.every": "7",
            "data.validation_every": "9",
            "data.validation_sequences": "3",
        },
    ),
    "clock": (1, lambda: _late(Block, "forward", 2.0), {"run.slowest": "1.3"}),
    "data": (1, lambda: _late(TokenFolder, "read", 4.0), {"run.steps": "28"}),
    "network": (2, _card, {}),
    "saves": (
        EVERYBODY,
        lambda: _late(Checkpoints, "_work", 40.0),
        {**SHORT, "run.steps": "14", "checkpoint.every": "14"},
    ),
    "stopped": (1, _stops, SHORT),
    "first stopped": (0, _stops, SHORT),
    "reads": (2, lambda: _late(TokenFolder, "read", FOREVER, 1), SHORT),
}


def rank(number: int, run: Run, case: str) -> int:
    who, fault, changes = CASES[case]
    step = Trainer._step

    def counted(self: Trainer, feed: Any) -> Any:
        Now.step, began = self.step, time.monotonic()
        time.sleep(USUAL)
        report = step(self, feed)
        if 2 < self.step <= FROM:
            Now.usual = max(Now.usual, time.monotonic() - began)
        return report

    Trainer._step = counted  # type: ignore[method-assign]
    if who in {number, EVERYBODY}:
        fault()
    given = {"data.global_batch": "3", "data.micro_batch": "1", "run.steps": str(STEPS)}
    given |= {"checkpoint.every": "0", "parallel.partition_size": str(RANKS)}
    given |= {"data.validation_path": run.settings.data.path, **changes}
    os.environ["SLURMD_NODENAME"] = f"n{number}"
    return train(run.settings.override(given), Launch(number, RANKS, number, RANKS))


def played(folder: Path, case: str) -> None:
    """Run one case, and print how its ranks ended."""
    run = Run(folder / case.replace(" ", "-"))
    os.environ |= {**meeting_place(), "ULTRACLUSTER_SUSPECTS": f"{run.folder}/suspects"}
    children = forked(RANKS, lambda number: rank(number, run, case))
    began, ends = time.monotonic(), dict.fromkeys(children, None)
    while None in ends.values():
        for child, end in ends.items():
            found, status = (0, 0) if end is not None else os.waitpid(child, os.WNOHANG)
            if found:
                ends[child] = os.waitstatus_to_exitcode(status)
        others = [end for number, end in enumerate(ends.values()) if number != CASES[case][0]]
        # As srun does: what is left when the others have ended is killed.
        if None not in others or time.monotonic() - began > FOREVER:
            for child, end in ends.items():
                if end is None and any(others):
                    os.kill(child, signal.SIGKILL)
        time.sleep(0.05)
    sys.stdout.write(f"{case}: ends {list(ends.values())}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in sys.argv[2:] or CASES:
        played(Path(sys.argv[1]), each)
