"""A run on one rank in the test's own process: starting PyTorch takes seconds, training none."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch.distributed as dist

from training import prepare
from training.mesh import Launch
from training.recipes import SMOKE
from training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAUNCH = Launch()


@contextmanager
def met() -> Iterator[None]:
    """Be a run of one rank."""
    LAUNCH.join()
    try:
        yield
    finally:
        dist.destroy_process_group()


class Run:
    """A tiny run in a folder of its own, which is started as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        prepare.write(folder / "tokens", [rng.integers(0, 64, 4000)], vocabulary=64)
        self.settings = SMOKE.override(
            {
                "model.layers": "1",
                "model.width": "16",
                "model.heads": "2",
                "model.sequence": "16",
                "model.vocabulary": "64",
                "data.path": str(folder / "tokens"),
                "data.global_batch": "2",
                "run.path": str(folder / "run"),
                "run.steps": "12",
                "run.print_every": "1000",
                "checkpoint.path": str(self.checkpoints),
                "checkpoint.every": "2",
                "checkpoint.keep": "2",
            }
        )

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def trainer(self, **changes: str) -> Trainer:
        changed = {name.replace("__", "."): value for name, value in changes.items()}
        return Trainer(self.settings.override(changed), LAUNCH)

    def trained(self, **changes: str) -> int:
        """Run once, and return the exit status."""
        trainer = self.trainer(**changes)
        try:
            return trainer.run()
        finally:
            trainer.metrics.close()

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.checkpoints.iterdir())

    def record(self) -> list[dict[str, Any]]:
        text = (self.folder / "run" / "metrics.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.record() if event["event"] == name]

    def steps(self) -> list[int]:
        return [event["step"] for event in self.events("step")]
