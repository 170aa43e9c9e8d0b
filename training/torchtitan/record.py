"""The record of a run in the words of the launcher's contract: a line a step, a line an event."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torchtitan.components.metrics import MetricsProcessor, _get_metrics_rank
from torchtitan.tools.utils import device_type

from training import record
from training.heartbeat import Heartbeat
from training.mesh import Launch
from training.record import say


class NotFiniteError(Exception):
    """Loss or gradient is no number: weights would be lost, and checkpoints of them kept."""


class Record:
    """Where one rank writes what happened; only the rank that knows the loss does.

    Args:
        folder: `run.path`.
        launch: This rank.
        checkpoint_every: Steps between checkpoints.
    """

    def __init__(self, folder: str, launch: Launch, checkpoint_every: int) -> None:
        self.folder, self.checkpoint_every = Path(folder), checkpoint_every
        self.file: record.Record | None = None
        self.heart = Heartbeat(launch.rank, launch.local_rank)

    def speaks(self) -> bool:
        """Whether this is the rank that knows the loss."""
        return self.file is not None

    def open(self) -> None:
        """Have this rank speak.

        Raises:
            OSError: If the folder can never be written.
        """
        self.file = record.Record(self.folder, say)
        self.heart.committed()

    def event(self, name: str, text: str, **values: Any) -> None:
        """Say and record something that is not a step."""
        if self.file and name == "checkpoint":
            self.heart.committed()
        self.say(text)
        self.line(event=name, text=text, **values)

    def say(self, text: str) -> None:
        if self.file:
            say(text)

    def line(self, **values: Any) -> None:
        if self.file:
            self.file.write(values)


class Steps(MetricsProcessor):
    """Figures of every step, as torchtitan computes them."""

    @dataclass(kw_only=True, slots=True)
    class Config(MetricsProcessor.Config):
        """torchtitan's own, and where the lines go."""

        record: Record
        print_every: int

    def __init__(self, config: Config, **given: Any) -> None:
        super().__init__(config, **given)
        schedule = given["pp_schedule"]
        rank = _get_metrics_rank(parallel_dims=given["parallel_dims"], pp_schedule=schedule)
        if dist.get_rank() == rank:
            config.record.open()

    def should_log(self, step: int) -> bool:
        """Say yes: no checkpoint is written of a step whose loss nobody looked at."""
        del step
        return True

    def log(
        self,
        step: int,
        global_avg_loss: float,
        global_max_loss: float,
        grad_norm: float,
        extra_metrics: dict[str, Any] | None = None,
    ) -> None:
        """Write the step; torchtitan calls this on every rank.

        Raises:
            NotFiniteError: If the gradient is no number: its update has spoilt the weights.
        """
        del global_max_loss
        seconds = time.perf_counter() - self.time_last_log
        ranks = self.parallel_dims.world_size
        tokens = self.ntokens_since_last_log * ranks // self.parallel_dims.non_data_parallel_size
        peak = self.gpu_peak_flops if device_type == "cuda" and not self.has_quantization else None
        rate = next((v for k, v in (extra_metrics or {}).items() if k.startswith("lr")), 0.0)
        values = record.step_values(
            step,
            loss=global_avg_loss,
            norm=grad_norm,
            rate=rate,
            tokens=tokens,
            seconds=seconds,
            ranks=ranks,
            flops=self.num_flops_per_token,
            peak=peak,
            memory=self.device_memory_monitor.get_peak_stats().max_reserved_gib,
            waited=sum(self.data_loading_times),
        )
        told = self.config.record
        told.heart.stepped(seconds)
        if told.speaks():
            told.heart.figures(values, told.checkpoint_every)
        if step == 1 or step % self.config.print_every == 0:
            told.say(record.step_text(values))
        told.line(**values)
        self.ntokens_since_last_log = 0
        self.data_loading_times.clear()
        self.time_last_log = time.perf_counter()
        if not math.isfinite(grad_norm):
            raise NotFiniteError(f"the gradient's norm is {grad_norm} at step {step}")
