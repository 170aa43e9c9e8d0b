"""The record of a run in the words of the launcher's contract: a line a step, a line an event."""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch.distributed as dist
from torchtitan.components.metrics import MetricsProcessor, _get_metrics_rank
from torchtitan.tools.utils import device_type

from training.record import Teller, step_values


class NotFiniteError(Exception):
    """Loss or gradient is no number: weights would be lost, and checkpoints of them kept."""


class Steps(MetricsProcessor):
    """Figures of every step, as torchtitan computes them."""

    @dataclass(kw_only=True, slots=True)
    class Config(MetricsProcessor.Config):
        """torchtitan's own, and where the lines go."""

        record: Teller

    def __init__(self, config: Config, **given: Any) -> None:
        super().__init__(config, **given)
        schedule = given["pp_schedule"]
        rank = _get_metrics_rank(parallel_dims=given["parallel_dims"], pp_schedule=schedule)
        if dist.get_rank() == rank:
            config.record.speak()

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
        values = step_values(
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
        self.config.record.stepped(values)
        self.ntokens_since_last_log = 0
        self.data_loading_times.clear()
        self.time_last_log = time.perf_counter()
        if not math.isfinite(grad_norm):
            raise NotFiniteError(f"the gradient's norm is {grad_norm} at step {step}")
