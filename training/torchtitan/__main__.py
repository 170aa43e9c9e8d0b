"""Train one of torchtitan's models, one process per GPU.

    torchrun --nproc-per-node 8 -m training.torchtitan llama3-8b --set parallel.partition_size=8
    srun --ntasks-per-node 8 python -m training.launch rank -- python -m training.torchtitan ...

Exit statuses are those of the launcher's contract (`training.launch.contract`).
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.launch.contract import AGAIN, DONE, MISTAKEN, NOT_FINITE, UNSAVED, committed
from training.problems import UserError
from training.recipes import parser_of
from training.torchtitan import recipes
from training.torchtitan.settings import Settings


def train(settings: Settings) -> int:
    """Train on the processes that were launched, and return the exit status.

    Raises:
        UserError: If something that the user wrote cannot be.
    """
    world, local_world = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    layout = settings.placed(world, local_world)
    from training.torchtitan import device

    cuda = device.choose().type == "cuda"
    from training.torchtitan.record import NotFiniteError, Record
    from training.torchtitan.trainer import configuration

    record = Record(settings.run.path)
    run: Any = configuration(settings, record, layout, cuda=cuda).build()
    signal.signal(signal.SIGTERM, run.stop)
    try:
        run.train()
    except (NotFiniteError, RuntimeError) as error:
        if not isinstance(error, NotFiniteError) and "not finite" not in str(error):
            raise
        record.event("not-finite", f"{error}; the run ends, the newest checkpoint is before it")
        return NOT_FINITE
    return ended(run, record, settings)


def ended(run: Any, record: Any, settings: Settings) -> int:
    """Write the last checkpoint and the weights, and return how the run ended."""
    if not run.checkpointer.now(run.step):
        return UNSAVED
    if run.step < settings.run.steps:
        record.event("stopped", f"step {run.step}: stopped, the state is saved", step=run.step)
        return AGAIN
    if settings.weights.export:
        from training.torchtitan.weights import export

        export(run, settings)
        record.event("exported", f"weights are in {settings.weights.export}")
    record.event("done", f"step {run.step}: all steps are done", step=run.step)
    return DONE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.torchtitan", __doc__)
    parser.add_argument(
        "--progress",
        action="store_true",
        help="only print the step of the newest checkpoint; needs neither PyTorch nor GPUs",
    )
    given = parser.parse_args(arguments)
    try:
        settings = recipes.chosen(given.recipe, given.set)
        if given.progress:
            steps = committed(Path(settings.checkpoint.path))
            sys.stdout.write(f"{max(steps, default=0)}\n")
            return DONE
        return train(settings)
    except UserError as error:
        if os.environ.get("RANK", "0") == "0":
            sys.stderr.write(f"{error}\n")
        return MISTAKEN


if __name__ == "__main__":
    sys.exit(main())
