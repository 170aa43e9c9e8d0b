"""Train a transformer with MiCS, one process per GPU.

    torchrun --nproc-per-node 8 -m training.train gpt-1b --set parallel.partition_size=8
    srun --ntasks-per-node 8 --distribution=block python -m training.train recipe.py
    python -m training.train smoke

Ends with

    0     all steps are done
    1     a rank failed: the line FAILED says which, on which node and when
    2     a mistake in the settings, or damaged tokens
    65    EX_DATAERR: the run no longer learns; gradients are not finite, or the loss has leapt
    69    EX_UNAVAILABLE: nodes lack what others have, or a file system does not answer
    74    EX_IOERR: the last checkpoint could not be written
    75    EX_TEMPFAIL: SIGTERM stopped it after a checkpoint; the same command goes on
    76    EX_PROTOCOL: a rank hung: the line FAILED says which, on which node and in what

(sysexits.h). Under torchrun, whose own status is 1 whenever a worker's is not 0, look at
metrics.jsonl instead: its last event says it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.failure import Witness, of_peers
from training.hang import Guard
from training.launch.contract import FAILED
from training.launch.environment import of_torch
from training.mesh import Launch, Layout
from training.problems import NodeError, UserError
from training.recipes import chosen, parser_of
from training.record import say
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
    for name, value in {**of_torch(), **_dumps(settings.run.path)}.items():
        os.environ.setdefault(name, value)
    launch.join(settings.run.timeout_minutes)
    witness = Witness(launch)
    trainer: Trainer | None = None
    guard: Guard | None = None
    try:
        with attention_order(settings.numerics.attention, launch.device()):
            trainer = Trainer(settings, launch)
            witness.metrics = trainer.metrics
            guard = Guard(witness, trainer.blame, settings.run.hang_seconds, lambda: trainer.writes)
            signal.signal(signal.SIGTERM, trainer.stop)
            status = trainer.run()
    except Exception as error:
        if guard:
            guard.close(failed=True)
        if trainer is None and isinstance(error, UserError):
            witness.close()
            dist.destroy_process_group()
            raise  # all ranks know it, and rank 0 says it
        return _failed(error, witness, trainer, settings)
    guard.close()
    witness.close()
    trainer.metrics.close()
    dist.destroy_process_group()
    return status


def _failed(error: Exception, witness: Witness, trainer: Trainer | None, settings: Settings) -> int:
    """Say, once among all ranks, who failed first, and return the exit status."""
    first, speaks = witness.testify(error)
    if trainer and trainer.checkpoints and not of_peers(error):
        trainer.checkpoints.abandon()
    # That is what the others notice over gloo; NCCL could wait for ranks that never come.
    if witness.launch.device().type == "cpu":
        dist.destroy_process_group()
    witness.record(first, settings.run.path, speaks=speaks)
    return MISTAKEN if isinstance(error, UserError) else FAILED


def _dumps(path: str | None) -> dict[str, str]:
    """Return where PyTorch's flight recorder writes: the run's folder, which outlives nodes."""
    if path is None:
        return {}
    folder = Path(path).absolute() / "flight"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return {"TORCH_FR_DUMP_TEMP_FILE": f"{folder}/rank_"}


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser_of("training.train", __doc__).parse_args(arguments)
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    launch = Launch()
    try:
        launch = Launch.read(os.environ)
        status = train(chosen(given.recipe, given.set), launch)
    except UserError as error:
        if launch.rank == 0:
            say(str(error), sys.stderr)
        return UNAVAILABLE if isinstance(error, NodeError) else MISTAKEN
    if status == FAILED:
        # The interpreter's end would wait for threads and groups whose other ranks have gone.
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
