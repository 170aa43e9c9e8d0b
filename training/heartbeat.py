"""What a rank tells its node, which sends it on: alarms and dashboards read it.

Names and meaning of the figures: docs/operate/metrics.md.
"""

import contextlib
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FOLDER: Final = "/run/ultracluster/metrics"
"""Made by a node's boot; elsewhere there is none, and nothing is written."""
VARIABLE: Final = "ULTRACLUSTER_METRICS"
PLANNED: Final = "ULTRACLUSTER_PLANNED_MFU"
"""MFU that the job was planned with, such as 0.42 (`ultracluster plan`)."""

FIRST_SECONDS: Final = 1800
"""For reading tokens and a checkpoint, and for the first step, which compiles."""
PAUSE_SECONDS: Final = 600
"""For a checkpoint, or a validation, beyond a step."""
MARGIN_SECONDS: Final = 30
STEPS: Final = 3
"""Steps that one may take as long as, before somebody is told."""


class Heartbeat:
    """What a rank tells its node: when its step will be over, and the figures of the job.

    The node's program sends them on while the process runs; any program may write the names of
    docs/operate/metrics.md. Nothing here ends a run: what cannot be written is left out.

    Args:
        rank: Of all ranks.
        gpu: Index of its GPU on the node.
    """

    def __init__(self, rank: int, gpu: int) -> None:
        folder = Path(os.environ.get(VARIABLE, FOLDER))
        self.labels = f'{{rank="{rank}",gpu="{gpu}"}}'
        self.path = folder / f"rank{rank}.{os.getpid()}.prom" if folder.is_dir() else None
        self.values: dict[str, float] = {}
        self.due, self.paused, self.seconds = 0.0, True, 0.0
        self.planned: dict[str, float] = {}
        with contextlib.suppress(ValueError, KeyError):
            self.planned = {"job_planned_mfu_ratio": float(os.environ[PLANNED])}
        self.promise(FIRST_SECONDS)

    def promise(self, seconds: float) -> None:
        """Say within how many seconds the next step will be over, where it is no usual one."""
        self.paused, self.due = True, time.time() + seconds
        self.tell(rank_due_seconds=self.due)

    def stepped(self, seconds: float) -> None:
        """Say that a step is over, and how long it took."""
        self.seconds = seconds
        self.resume()

    def resume(self) -> None:
        """Say that a pause is over, and that the next step is a usual one."""
        self.promise(STEPS * self.seconds + MARGIN_SECONDS)
        self.paused = False

    def tell(self, **values: float | None) -> None:
        """Add figures, or change them; None is a figure that there is not."""
        if self.path is None:
            return
        self.values |= {name: value for name, value in values.items() if value is not None}
        if "job_loss" in self.values:
            self.values |= self.planned
        rows = self.values.items()
        lines = (f"ultracluster_{name}{self.labels} {value!r}\n" for name, value in rows)
        beside = self.path.with_suffix(".new")
        with contextlib.suppress(OSError):
            beside.write_text("".join(lines))
            beside.replace(self.path)

    def committed(self) -> None:
        """Say that a checkpoint is whole, or that a run begins: from then on its age counts."""
        self.tell(job_checkpoint_time_seconds=time.time())

    def figures(self, step: Mapping[str, Any], checkpoint_every: int) -> None:
        """Tell the figures of a step of the whole job; one rank does.

        Args:
            step: As `training.record.step_values` has them.
            checkpoint_every: Steps between checkpoints; 0 where there are none.
        """
        loss = step["loss"]
        self.tell(
            job_loss=loss if math.isfinite(loss) else None,
            job_loss_finite=float(math.isfinite(loss)),
            job_step_seconds=step["seconds"],
            job_tokens_per_second=step["tokens_per_s"],
            job_mfu_ratio=step["mfu"],
            job_data_wait_seconds=step["data_wait_s"],
            job_checkpoint_interval_seconds=checkpoint_every * step["seconds"] or None,
        )

    def close(self) -> None:
        """Take the file away, but for a loss that is not finite: that is told for some minutes yet.

        Nothing else is left: a process may take longer to end than its next step was to take.
        """
        if self.values.get("job_loss_finite") == 0:
            self.values = {}
            self.tell(job_loss_finite=0.0)
        elif self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
