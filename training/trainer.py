"""The loop: micro-steps, the optimizer, figures one step late, checkpoints, the end."""

import gc
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from training.agreement import everywhere
from training.checkpoint import Checkpoints
from training.data import Batches, Order, Prefetch, TokenFolder
from training.mesh import Grid, Launch, Layout
from training.metrics import Mark, Metrics, peak_tflops
from training.optimizer import MasterAdamW, learning_rate
from training.settings import Settings
from training.sharding import Sharded, host_group, sum_over

DONE, UNSAVED, STOPPED = 0, 74, 75
"""EX_IOERR and EX_TEMPFAIL of sysexits.h."""
COLLECT_EVERY = 100
"""Steps between garbage collections, on all ranks at once: elsewhere each would stall all."""


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of a step that the GPU may still be working on."""

    step: int
    """Counted from 1."""
    values: Tensor
    """Loss, norm of the gradient, number of ranks that were told to stop."""
    done: Mark
    """When the step was finished and `values` was on the host."""
    rate: float
    waited: float
    """Seconds that the step waited for data."""


class Trainer:
    """One rank of a run. The process group exists already.

    Raises:
        UserError: If settings, launch, tokens and checkpoints do not fit each other.
    """

    def __init__(self, settings: Settings, launch: Launch) -> None:
        self.settings, self.device = settings, launch.device()
        model, data = settings.model, settings.data
        self.layout = Layout.of(settings.parallel, launch)
        self.micro_steps = self.layout.accumulation(data.global_batch, data.micro_batch)
        folder = everywhere(
            lambda: TokenFolder.open(
                data.path, sequence=model.sequence, vocabulary=model.vocabulary
            )
        )
        self.grid = Grid.of(self.layout, self.device.type)
        self.batches = self._batches(folder, data.global_batch, settings.run.seed)
        self.tokens = data.global_batch * model.sequence
        self.sharded = Sharded(settings, self.grid, self.device)
        self.optimizer = MasterAdamW(
            self.sharded.parameters,
            settings.optimizer,
            self.grid.partition,
            compiled=settings.numerics.compile,
        )
        self.metrics = everywhere(
            lambda: Metrics(
                model,
                launch.world,
                self.device,
                peak_tflops(self.device, settings.run.peak_tflops),
                settings.run.path,
                settings.run.print_every,
                speaks=launch.rank == 0,
            ),
            by_all=False,
        )
        self.stop_asked = False
        self.mark = Mark(self.device)
        self.step = 0
        self.checkpoints: Checkpoints | None = None
        if settings.checkpoint.path:
            self.checkpoints = Checkpoints(
                Path(settings.checkpoint.path),
                host_group(),
                keep=settings.checkpoint.keep,
                verify=settings.checkpoint.verify,
                say=self.metrics.event,
            )
            self._resume(self.checkpoints)
        self.held_out: Batches | None = None
        if data.validation_every and data.validation_path:
            where = data.validation_path
            held_out = everywhere(
                lambda: TokenFolder.open(
                    where, sequence=model.sequence, vocabulary=model.vocabulary
                )
            )
            self.layout.accumulation(data.validation_sequences, data.micro_batch)
            self.held_out = self._batches(held_out, data.validation_sequences, None)

    def _batches(self, folder: TokenFolder, size: int, seed: int | None) -> Batches:
        return Batches(
            folder,
            Order(len(folder), seed),
            size,
            self.settings.data.micro_batch,
            self.grid.data_index,
            self.layout.data_ranks,
        )

    def _resume(self, checkpoints: Checkpoints) -> None:
        checkpoints.reserve(self.optimizer.state())
        manifest = checkpoints.resume(self.optimizer.state(), asdict(self.settings.model))
        if manifest:
            self.optimizer.publish()
            self.step = int(manifest["step"])
            self._compare(manifest["facts"])

    def _order_of_data(self) -> dict[str, int]:
        """Return the settings that decide, with the step, which sequences come next."""
        settings = self.settings
        return {
            "run.seed": settings.run.seed,
            "data.global_batch": settings.data.global_batch,
            "model.sequence": settings.model.sequence,
        }

    def _compare(self, facts: dict[str, Any]) -> None:
        """Say where the data goes on otherwise than the run that wrote the checkpoint."""
        before = facts.get("order", {})
        for name, value in self._order_of_data().items():
            if before.get(name, value) != value:
                self.metrics.event(
                    "resume-differs",
                    f"{name} = {value}: it was {before[name]} when the checkpoint was written; "
                    "from here on sequences come in another order, and some again",
                    setting=name,
                    was=before[name],
                )

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask for a checkpoint and the end, as a signal handler does."""
        self.stop_asked = True

    def run(self) -> int:
        """Train to the last step, or until told to stop, and return the exit status."""
        settings = self.settings
        self.metrics.start(settings.as_dict(), self.layout.describe(), self.step)
        feed = Prefetch(self.batches.from_step(self.step), self.device)
        self.mark = Mark(self.device)
        waiting: Report | None = None
        saved, stopped = self.step, False
        gc.disable()
        try:
            while self.step < settings.run.steps and not stopped:
                report = self._step(feed)
                # The step before is long done on the GPU: reading it does not hold this one up.
                stopped = self._record(waiting)
                waiting = report
                if self.step % COLLECT_EVERY == 0:
                    gc.collect()
                every = settings.checkpoint.every
                if every and self.step % every == 0:
                    self._save()
                    saved = self.step
                if self.held_out and self.step % settings.data.validation_every == 0:
                    stopped = self._record(waiting) or stopped
                    waiting = None
                    self._validate(self.held_out)
            stopped = self._record(waiting) or stopped
            if saved != self.step:
                self._save()
            if self.checkpoints:
                self.checkpoints.finish()
        finally:
            gc.enable()
            feed.close()
        if self.checkpoints and self.checkpoints.newest != self.step:
            newest = self.checkpoints.newest
            kept = f"the newest checkpoint is of step {newest}" if newest else "there is none"
            self.metrics.event(
                "unsaved",
                f"ended after step {self.step}, which is NOT SAVED: {kept}; mend what kept it from "
                "being written, and the same command goes on from there",
                step=self.step,
                status=UNSAVED,
            )
            return UNSAVED
        if self.step < settings.run.steps:
            self.metrics.event(
                "stopped",
                f"stopped after step {self.step}; the same command goes on from there",
                step=self.step,
                status=STOPPED,
            )
            return STOPPED
        self.metrics.event("done", f"done after step {self.step}", step=self.step, status=DONE)
        return DONE

    def _step(self, feed: Prefetch) -> Report:
        loss = torch.zeros((), device=self.device)
        waited = 0.0
        for micro_step in range(self.micro_steps):
            began = time.perf_counter()
            inputs, targets = feed.next()
            waited += time.perf_counter() - began
            self.sharded.boundary(reached=micro_step == self.micro_steps - 1)
            share = self.sharded.module(inputs, targets, 1.0 / self.tokens)
            share.backward()
            loss = loss + share.detach()
        if self.checkpoints:
            self.checkpoints.settle()
        rate = learning_rate(self.settings.optimizer, self.step, self.settings.run.steps)
        norm = self.optimizer.step(rate)
        self.step += 1
        asked = torch.full_like(loss, float(self.stop_asked))
        sums = sum_over(None, torch.stack((loss, asked)))
        values = torch.stack((sums[0], norm.to(sums.dtype), sums[1]))
        values = values.to("cpu", non_blocking=True)
        return Report(self.step, values, Mark(self.device), rate, waited)

    def _record(self, report: Report | None) -> bool:
        """Record a step's figures, and return whether any rank was told to stop by then."""
        if report is None:
            return False
        seconds, self.mark = report.done.seconds_since(self.mark), report.done
        loss, norm, asked = report.values.tolist()
        self.metrics.step(
            report.step,
            loss=loss,
            norm=norm,
            rate=report.rate,
            tokens=self.tokens,
            seconds=seconds,
            waited=report.waited,
        )
        return bool(asked)

    def _save(self) -> None:
        if self.checkpoints:
            facts = {
                "model": asdict(self.settings.model),
                "layout": asdict(self.layout),
                "order": self._order_of_data(),
                "tokens": self.step * self.tokens,
                "torch": torch.__version__,
            }
            self.checkpoints.save(self.step, self.optimizer.state(), facts)

    @torch.no_grad()
    def _validate(self, batches: Batches) -> None:
        size = batches.global_batch
        loss = torch.zeros((), device=self.device)
        for micro_step in range(size // (batches.ranks * batches.micro_batch)):
            rows = torch.from_numpy(batches.folder.read(batches.numbers(0, micro_step)))
            rows = rows.to(self.device)
            scale = 1.0 / (size * self.settings.model.sequence)
            loss = loss + self.sharded.module(rows[:, :-1], rows[:, 1:], scale)
        value = float(sum_over(None, loss))
        self.metrics.event(
            "validation",
            f"step {self.step:7d}  held-out loss {value:.4f}",
            step=self.step,
            loss=value,
        )
        self.mark = Mark(self.device)
