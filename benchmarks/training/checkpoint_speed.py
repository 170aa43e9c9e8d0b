"""How near the rate of a rank's checkpoints comes to what the disk takes.

    python benchmarks/training/checkpoint_speed.py [FOLDER] [GB]

Three ways in turn, several times: the same bytes by plain writes and one fsync (what the disk
takes), a checkpoint as `training.checkpoint` writes it, and the way before it (write with CRC-32,
fsync, read again for SHA-256). Prints medians and their ratios to the plain writes of the same run.
"""

import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save

from training.checkpoint import Checkpoints
from training.manifest import digest
from training.mesh import Launch
from training.settings import CheckpointSettings

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 5
TENSORS = 24


def plain(folder: Path, state: dict[str, torch.Tensor]) -> None:
    """Write the bytes and wait for the disk."""
    with (folder / "plain").open("wb", buffering=0) as file:
        for value in state.values():
            rest = value.numpy().data.cast("B")
            while rest:
                rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def before(folder: Path, state: dict[str, torch.Tensor]) -> None:
    """Write as PyTorch does, then read everything again."""
    path = folder / "before"
    save(state, storage_writer=FileSystemWriter(path, single_file_per_rank=True, sync_files=True))
    for file in path.glob("__0_*"):
        digest(file)


def main(folder: str = tempfile.gettempdir(), gigabytes: str = "1") -> int:
    Launch().join()
    words = int(float(gigabytes) * 1e9 / 4 / TENSORS)
    state = {f"t{i}": torch.randn(words) for i in range(TENSORS)}
    size = TENSORS * words * 4
    seconds: dict[str, list[float]] = {"plain": [], "checkpoint": [], "before": []}
    cpu: dict[str, list[float]] = {name: [] for name in seconds}
    for turn in range(TURNS):
        work = Path(tempfile.mkdtemp(dir=folder))
        events: list[str] = []
        checkpoints = Checkpoints(
            CheckpointSettings(path=str(work / "c"), keep=2),
            None,
            lambda _name, text, events=events, **_: events.append(text),
        )
        checkpoints.reserve(state)

        def one(checkpoints: Checkpoints = checkpoints, turn: int = turn) -> None:
            checkpoints.save(turn + 1, state, {})
            checkpoints.finish()

        ways: dict[str, Callable[[], None]] = {
            "plain": partial(plain, work, state),
            "checkpoint": one,
            "before": partial(before, work, state),
        }
        for name, way in ways.items():
            began, worked = time.perf_counter(), time.process_time()
            way()
            seconds[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - worked)
        if checkpoints.newest != turn + 1:
            sys.stderr.write(f"{events}\n")
            return 1
        shutil.rmtree(work)
    rates = {name: size / statistics.median(each) / 1e9 for name, each in seconds.items()}
    answer = {
        "gigabytes": round(size / 1e9, 3),
        "gb_per_s": {name: round(rate, 3) for name, rate in rates.items()},
        "of_plain": {name: round(rate / rates["plain"], 2) for name, rate in rates.items()},
        # On a machine that does much else this says more than the rates do.
        "cpu_s_per_gb": {n: round(statistics.median(c) / size * 1e9, 2) for n, c in cpu.items()},
        "sha256_gb_per_s": round(sha256_rate(), 2),
    }
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def sha256_rate() -> float:
    """Return what one thread hashes in a second: no rank writes faster."""
    data = bytes(2**26)
    began = time.perf_counter()
    hashlib.sha256(data).digest()
    return len(data) / (time.perf_counter() - began) / 1e9


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
