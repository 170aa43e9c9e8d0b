"""Three ranks that train until one of them ends, each in a process; started by test_failure.py.

    python -m tests.training.failing FOLDER HOW RANK

HOW is what ends the rank in its third step: `raises`, `refuses`, `killed`, or `nothing`. Torch is
imported once and the ranks are forked. Rank 0's process is the store of all, as under srun.
"""

import os
import signal
import socket
import sys
from pathlib import Path

from tests.training.alone import Run
from tests.training.forked import forked
from training.mesh import Launch
from training.problems import UserError
from training.train import train
from training.trainer import Trainer

RANKS = 3


def ended(how: str) -> None:
    if how == "raises":
        raise ValueError("this GPU has had enough\nand says so at length")
    if how == "refuses":
        raise UserError("tokens-00007.npy: holds the id 99; run training.prepare again")
    os.kill(os.getpid(), signal.SIGKILL)


def rank(number: int, run: Run, how: str, who: int) -> int:
    real = Trainer._step

    def step(self, feed):
        if self.step == 2 and number == who and how != "nothing":
            ended(how)
        return real(self, feed)

    Trainer._step = step  # type: ignore[method-assign]
    changes = {"data.global_batch": "3", "data.micro_batch": "1", "run.timeout_minutes": "1"}
    return train(run.settings.override(changes), Launch(number, RANKS, number, RANKS))


def main(folder: str, how: str, who: str) -> int:
    run = Run(Path(folder))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ["MASTER_PORT"] = str(free.getsockname()[1])
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "ULTRACLUSTER_SUSPECTS": f"{folder}/suspects"}
    children = forked(RANKS, lambda number: rank(number, run, how, int(who)))
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.stdout.write(f"ends {ends}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
