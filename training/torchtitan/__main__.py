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

from training.launch.check import UNAVAILABLE
from training.launch.contract import AGAIN, DONE, FAILED, MISTAKEN, NOT_FINITE, UNSAVED, committed
from training.problems import NodeError, UserError
from training.recipes import parser_of
from training.torchtitan import recipes
from training.torchtitan.settings import Settings


def train(settings: Settings) -> int:
    """Train on the processes that were launched, and return the exit status.

    Raises:
        UserError: If something that the user wrote cannot be.
    """
    from training.mesh import Launch

    launch = Launch.read(os.environ)
    if "RANK" not in os.environ:
        raise UserError(
            "RANK is not set: torchtitan's ranks meet by the variables of torchrun; start with "
            "torchrun --nproc-per-node N -m training.torchtitan ..., or with python -m "
            "training.launch rank -- python -m training.torchtitan ..."
        )
    layout = settings.placed(launch.world, launch.local_world)
    from training.torchtitan import device

    cuda = device.choose().type == "cuda"
    from training.failure import Witness
    from training.hang import Guard
    from training.record import Teller
    from training.torchtitan.record import NotFiniteError
    from training.torchtitan.trainer import configuration

    record = Teller(
        settings.run.path,
        launch.rank,
        launch.local_rank,
        print_every=settings.run.print_every,
        checkpoint_every=settings.checkpoint.every,
    )
    run: Any = configuration(settings, record, layout, cuda=cuda).build()
    witness = Witness(launch)
    run.follow(launch, settings)
    guard = Guard(witness, run.blame, settings.run.hang_seconds, run.checkpointer.writes)
    signal.signal(signal.SIGTERM, run.stop)
    try:
        run.train()
        saved = run.checkpointer.now(run.step)
    except UserError:
        guard.close()
        witness.close()
        raise  # all ranks know it, and rank 0 says it
    except Exception as error:  # noqa: BLE001 - whatever it is, one rank says it for all
        guard.close(failed=True)
        if isinstance(error, NotFiniteError) or "not finite" in str(error):
            record.event("not-finite", f"{error}; the run ends, the newest checkpoint is before it")
            return NOT_FINITE
        first, speaks = witness.testify(error)
        witness.record(first, settings.run.path, speaks=speaks)
        return FAILED
    guard.close()
    status = ended(run, record, settings) if saved else UNSAVED
    witness.close()
    record.close()
    return status


def ended(run: Any, record: Any, settings: Settings) -> int:
    """Write the weights where the run is at its end, and return how it ended."""
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
        status = train(settings)
    except UserError as error:
        if os.environ.get("RANK", "0") == "0":
            sys.stderr.write(f"{error}\n")
        return UNAVAILABLE if isinstance(error, NodeError) else MISTAKEN
    if status == FAILED:
        # The interpreter's end would wait for threads and groups whose other ranks have gone.
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
