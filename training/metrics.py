"""Figures of a run: one line for a human, one JSON object for a machine.

MFU, model FLOPs utilisation, is

    (6N + 12*L*h*s) * tokens per second / (GPUs * peak FLOP/s of a GPU)

with N parameters (without learned positions), L layers, width h, sequence s. Recomputation is not
counted, and attention as if it were not causal: PaLM, arXiv 2204.02311, appendix B.
"""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.mesh import Launch
from training.model import flops_per_token, parameter_count
from training.pace import Mark, Marks
from training.problems import UserError
from training.record import FILE, Teller, step_values
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


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of a step that the GPU may still be working on."""

    step: int
    """Counted from 1."""
    values: Tensor
    """Loss, norm of the gradient, number of ranks that were told to stop, and of ranks whose
    gradient was not finite; then the table of `training.pace`, of an earlier step."""
    done: Mark
    """When the step was finished and `values` was on the host."""
    rate: float
    waited: float
    """Seconds that the step waited for data."""
    marks: Marks


class Metrics(Teller):
    """What one rank of this program tells of a run; rank 0 speaks."""

    def __init__(
        self, model: ModelSettings, launch: Launch, device: torch.device, run: RunSettings
    ) -> None:
        super().__init__(
            run.path,
            launch.rank,
            launch.local_rank,
            print_every=run.print_every,
            checkpoint_every=0,
        )
        self.model, self.device, self.gpus = model, device, launch.world
        self.peak, self.flops = peak_tflops(device, run.peak_tflops), flops_per_token(model)
        if launch.rank == 0:
            try:
                self.speak()
            except OSError as error:
                raise UserError(
                    f"run.path = {run.path!r}: {Path(str(run.path)) / FILE} cannot be written "
                    f"({error.strerror}); write a folder that you may write"
                ) from None

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

    def step(self, step: int, *, skipped: int = 0, **rest: Any) -> None:
        """Record one finished step.

        Args:
            step: Counted from 1.
            skipped: Steps in a row up to this one that had no finite gradient.
            **rest: What else of a step `training.record.step_values` takes.
        """
        values = step_values(
            step,
            ranks=self.gpus,
            flops=self.flops,
            peak=self.peak and self.peak * 1e12,
            memory=memory_gib(self.device),
            **rest,
        )
        note = f"  SKIPPED {skipped} in a row: the gradient is not finite" if skipped else ""
        self.stepped(values, note, skipped=skipped > 0)
