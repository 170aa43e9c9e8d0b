"""What a rank tells its node of itself: when its step will be over, and the figures of the job.

The node's program sends them on while the process runs. Any program may write the names of
docs/operate/metrics.md. Nothing here ends a run: what cannot be written is left out.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

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
    """The file of one rank.

    Args:
        rank: Of all ranks.
        gpu: Index of its GPU on the node.
    """

    def __init__(self, rank: int, gpu: int) -> None:
        folder = Path(os.environ.get(VARIABLE, FOLDER))
        self.labels = f'{{rank="{rank}",gpu="{gpu}"}}'
        self.path = folder / f"rank{rank}.{os.getpid()}.prom" if folder.is_dir() else None
        self.values: dict[str, float] = {}
        self.planned: dict[str, float] = {}
        with contextlib.suppress(ValueError, KeyError):
            self.planned = {"job_planned_mfu_ratio": float(os.environ[PLANNED])}
        self.promise(FIRST_SECONDS)

    def promise(self, seconds: float) -> None:
        """Say within how many seconds the next step will be over."""
        self.tell(rank_due_seconds=time.time() + seconds)

    def stepped(self, seconds: float) -> None:
        """Say that a step is over, and how long it took."""
        self.promise(STEPS * seconds + MARGIN_SECONDS)

    def tell(self, **values: float | None) -> None:
        """Add figures, or change them; None is a figure that there is not."""
        if self.path is None:
            return
        self.values |= {name: value for name, value in values.items() if value is not None}
        lines = (f"ultracluster_{name}{self.labels} {value!r}\n" for name, value in self._rows())
        beside = self.path.with_suffix(".new")
        with contextlib.suppress(OSError):
            beside.write_text("".join(lines))
            beside.replace(self.path)

    def _rows(self) -> list[tuple[str, float]]:
        return [*self.values.items(), *(self.planned.items() if "job_loss" in self.values else ())]

    def close(self) -> None:
        """Take the file away; the node's program leaves those of dead processes out by itself."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
