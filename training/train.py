"""Train a transformer with MiCS, one process per GPU.

    torchrun --nproc-per-node 8 -m training.train gpt-1b --set parallel.partition_size=8
    srun --ntasks-per-node 8 --distribution=block python -m training.train recipe.py
    python -m training.train smoke

Ends with 0 when all steps are done, 2 for a mistake in the settings, 69 (EX_UNAVAILABLE of
sysexits.h) when some nodes lack what others have, 74 (EX_IOERR) when its last checkpoint could not
be written, and 75 (EX_TEMPFAIL) when SIGTERM stopped it after one: run the same command again to go
on. Under torchrun, whose own status is 1 whenever a worker's is not 0, look at metrics.jsonl
instead: its last event is `stopped`.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.agreement import NodeError
from training.mesh import Launch, Layout
from training.problems import UserError
from training.recipes import add_arguments, chosen
from training.settings import Settings
from training.trainer import Trainer

MISTAKEN, UNAVAILABLE = 2, 69
ATTENTION = {
    "cudnn": [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION],
    "flash": [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION],
}


def attention_order(choice: str, device: torch.device) -> Any:
    """Return a context in which attention prefers that kernel, and can fall back to any."""
    if device.type != "cuda" or choice not in ATTENTION:
        return contextlib.nullcontext()
    rest = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel([*ATTENTION[choice], *rest], set_priority=True)


def train(settings: Settings, launch: Launch) -> int:
    """Train on the processes that were launched, and return the exit status.

    Raises:
        UserError: If something that the user wrote cannot be.
    """
    Layout.of(settings.parallel, launch).accumulation(
        settings.data.global_batch, settings.data.micro_batch
    )
    if settings.numerics.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(mode=True)
    launch.join()
    try:
        with attention_order(settings.numerics.attention, launch.device()):
            trainer = Trainer(settings, launch)
            signal.signal(signal.SIGTERM, trainer.stop)
            try:
                return trainer.run()
            finally:
                trainer.metrics.close()
    finally:
        dist.destroy_process_group()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    given = parser.parse_args(arguments)
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    launch = Launch()
    try:
        launch = Launch.read(os.environ)
        return train(chosen(given.recipe, given.set), launch)
    except UserError as error:
        if launch.rank == 0:
            sys.stderr.write(f"{error}\n")
        return UNAVAILABLE if isinstance(error, NodeError) else MISTAKEN


if __name__ == "__main__":
    sys.exit(main())
