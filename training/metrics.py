"""Figures of a run: one line for a human, one JSON object for a machine.

MFU, model FLOPs utilisation, is

    (6N + 12*L*h*s) * tokens per second / (GPUs * peak FLOP/s of a GPU)

with N parameters (without learned positions), L layers, width h, sequence s. Recomputation is not
counted, and attention as if it were not causal: PaLM, arXiv 2204.02311, appendix B.
"""

import contextlib
import math
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from training.mesh import Launch
from training.model import flops_per_token, parameter_count
from training.problems import UserError
from training.record import FILE, Record, say, step_text, step_values
from training.settings import ModelSettings, RunSettings

PEAK_TFLOPS = (
    ("H100 PCIe", 756.0),
    ("H100", 989.4),
    ("H200", 989.4),
    ("B200", 2250.0),
    ("A100", 312.0),
    ("A10G", 70.0),
)
"""Dense bf16 peaks from NVIDIA's datasheets (read 2026-11), first match of the name wins."""
FORMULA = "mfu = (6N + 12*L*h*s) * tokens_per_s / (gpus * peak_tflops * 1e12)"
GIB = 2**30


def peak_tflops(device: torch.device, given: float) -> float | None:
    """Return the bf16 peak of a GPU in TFLOP/s, the given one first; None if it is unknown."""
    if given or device.type != "cuda":
        return given or None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in PEAK_TFLOPS if part in name), None)


def memory_gib(device: torch.device) -> float:
    """Return the most memory held so far: of the GPU, or of the process where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


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


@dataclass
class Metrics:
    """The record of a run on one rank; ranks other than 0 write nothing."""

    model: ModelSettings
    launch: Launch
    device: torch.device
    run: RunSettings
    record: Record | None = None

    def __post_init__(self) -> None:
        """Open the record; a resumed run goes on in the same one."""
        self.path, self.peak = self.run.path, peak_tflops(self.device, self.run.peak_tflops)
        self.gpus, self.speaks = self.launch.world, self.launch.rank == 0
        self.heart = Heartbeat(self.launch.rank, self.launch.local_rank)
        self.checkpoint_every = 0
        self.flops = flops_per_token(self.model)
        if self.path and self.speaks:
            try:
                self.record = Record(Path(self.path), say)
            except OSError as error:
                raise UserError(
                    f"run.path = {self.path!r}: {Path(self.path) / FILE} cannot be written "
                    f"({error.strerror}); write a folder that you may write"
                ) from None

    def event(self, name: str, text: str, **values: Any) -> None:
        """Say and record something that is not a step."""
        if self.speaks:
            if name in ("start", "checkpoint"):
                self.heart.tell(job_checkpoint_time_seconds=time.time())
            say(text)
            self._record({"event": name, "text": text, **values})

    def start(self, settings: dict[str, Any], layout: str, step: int) -> None:
        self.checkpoint_every = int(settings["checkpoint"]["every"])
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        n = parameter_count(self.model)
        self.event(
            "start",
            f"{n / 1e9:.3f}B parameters on {self.gpus} x {gpu}; {layout}; from step {step}",
            parameters=n,
            gpus=self.gpus,
            gpu=gpu,
            peak_tflops=self.peak,
            formula=FORMULA,
            layout=layout,
            step=step,
            settings=settings,
            torch=torch.__version__,
        )

    def step(
        self,
        step: int,
        *,
        loss: float,
        seconds: float,
        waited: float,
        skipped: int = 0,
        **rest: Any,
    ) -> None:
        """Record one finished step.

        Args:
            step: Counted from 1.
            loss: As `training.record.step_values` has it, and so on.
            seconds: From the end of the step before to the end of this one.
            waited: Seconds that the step waited for data.
            skipped: Steps in a row up to this one that had no finite gradient.
            **rest: What else that takes.
        """
        self.heart.stepped(seconds)
        if not self.speaks:
            return
        values = step_values(
            step,
            loss=loss,
            seconds=seconds,
            ranks=self.gpus,
            flops=self.flops,
            peak=self.peak and self.peak * 1e12,
            memory=memory_gib(self.device),
            waited=waited,
            **rest,
        )
        self.heart.tell(
            job_loss=loss if math.isfinite(loss) else None,
            job_loss_finite=float(math.isfinite(loss)),
            job_step_seconds=seconds,
            job_tokens_per_second=values["tokens_per_s"],
            job_mfu_ratio=values["mfu"],
            job_data_wait_seconds=waited,
            job_checkpoint_interval_seconds=self.checkpoint_every * seconds or None,
        )
        if step % self.run.print_every == 0 or step == 1 or skipped:
            note = f"  SKIPPED {skipped} in a row: the gradient is not finite" if skipped else ""
            say(step_text(values) + note)
        self._record({**values, "skipped": skipped > 0})

    def pause(self) -> None:
        """Announce what takes longer than a step: a checkpoint, or a validation."""
        self.heart.promise(PAUSE_SECONDS)

    def _record(self, values: dict[str, Any]) -> None:
        if self.record:
            self.record.write(values)

    def sync(self) -> None:
        """Return when what was recorded is on the disk: before a checkpoint says that it was."""
        self.pause()
        if self.record:
            self.record.sync()

    def close(self) -> None:
        self.heart.close()
        if self.record:
            self.record.close()
