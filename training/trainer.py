"""The loop: micro-steps, the optimizer, figures one step late, checkpoints, the end."""

import gc
import time
from dataclasses import asdict
from functools import partial
from types import FrameType

import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule

from training.blame import Blame
from training.checkpoint import Checkpoints
from training.data import Batches, Order, Prefetch, opened, order_of
from training.failure import everywhere
from training.health import Health
from training.mesh import Grid, Launch, Layout
from training.metrics import Metrics, Report
from training.optimizer import MasterAdamW, learning_rate
from training.pace import COMPUTES, DATA, OTHERS, Mark
from training.restore import say_differences
from training.settings import Settings
from training.sharding import Sharded

COLLECT_EVERY = 100
"""Steps between garbage collections, on all ranks at once: elsewhere each would stall all."""


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
        self.launch = launch
        of_model = {"sequence": model.sequence, "vocabulary": model.vocabulary}
        folder = opened(data.path, **of_model, verify=data.verify)
        self.grid = Grid.of(self.layout, self.device.type)
        mine = partial(
            Batches,
            micro_batch=data.micro_batch,
            rank=self.grid.data_index,
            ranks=self.layout.data_ranks,
        )
        order = order_of(folder, data.weights, settings.run.seed)
        self.batches = mine(folder, order, data.global_batch)
        self.order = {
            "run.seed": settings.run.seed,
            "data.global_batch": data.global_batch,
            "model.sequence": model.sequence,
            "data.weights": list(data.weights),
            "tokens of data.path": folder.fingerprint,
        }
        """What decides, with the step, which sequences come next."""
        self.tokens = data.global_batch * model.sequence
        self.sharded = Sharded(settings, self.grid, self.device)
        self.metrics = metrics = everywhere(
            lambda: Metrics(model, launch, self.device, settings.run), by_all=False
        )
        self.blame = Blame(
            launch,
            self.device,
            metrics.heart,
            tell=metrics.event,
            speaks=lambda: metrics.speaks,
            folder=settings.run.path,
            together=settings.parallel.tensor_parallel,
            slowest=settings.run.slowest,
        )
        self.watch = self.blame.watch
        if isinstance(self.sharded.module, FSDPModule):
            self.watch.follow(self.sharded.module.blocks)
        self.optimizer = MasterAdamW(
            self.sharded.parameters,
            settings.optimizer,
            self.grid.partition,
            compiled=settings.numerics.compile,
            watch=self.watch,
        )
        self.stop_asked = False
        self.mark = Mark(self.device)
        self.step = self.saved = 0
        self.waiting: Report | None = None
        """Figures of the last step, which is read while the GPU works on the next one."""
        self.stopped = self.due = False
        self.health = Health(settings.run)
        self.checkpoints: Checkpoints | None = None
        if settings.checkpoint.path:
            self.checkpoints = Checkpoints(
                settings.checkpoint, dist.new_group(backend="gloo"), self.metrics.event
            )
            self._resume(self.checkpoints)
        self.held_out: Batches | None = None
        if data.validation_every and data.validation_path:
            held_out = opened(data.validation_path, **of_model, verify=data.verify)
            size = data.validation_sequences
            self.layout.accumulation(size, data.micro_batch)
            self.held_out = mine(held_out, Order(len(held_out), None), size)

    def _resume(self, checkpoints: Checkpoints) -> None:
        checkpoints.reserve(self.optimizer.state())
        manifest = checkpoints.resume(self.optimizer.state(), asdict(self.settings.model))
        if manifest:
            self.optimizer.publish()
            self.step = self.saved = int(manifest["step"])
            say_differences(manifest["facts"], self.order, self.metrics.event)

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask for a checkpoint and the end, as a signal handler does."""
        self.stop_asked = True

    @property
    def writes(self) -> bool:
        """Whether a checkpoint is being written."""
        return self.checkpoints is not None and self.checkpoints.writes

    def run(self) -> int:
        """Train to the last step, or until told to stop, and return the exit status."""
        settings = self.settings
        self.metrics.start(asdict(settings), self.layout.describe(), self.step)
        feed = Prefetch(self.batches.from_step(self.step), self.device)
        self.mark = Mark(self.device)
        gc.disable()
        try:
            while self.step < settings.run.steps and not self._over():
                self._advance(feed)
            self._catch_up()
            if self.saved != self.step and not self.health.skipped and not self.health.diverged:
                self._save()
            if self.checkpoints:
                self.metrics.pause()
                self.checkpoints.finish()
        finally:
            gc.enable()
            feed.close()
        return self._ended()

    def _over(self) -> bool:
        most = self.settings.checkpoint.most_failures
        failing = self.checkpoints is not None and 0 < most <= self.checkpoints.failures
        return self.stopped or failing or self.health.diverged is not None

    def _advance(self, feed: Prefetch) -> None:
        """Make a step, and a checkpoint and a validation where they are due."""
        settings, before = self.settings, self.waiting
        self.waiting = self._step(feed)
        # The step before is long done on the GPU: reading it does not hold this one up.
        self._record(before)
        if self.step % COLLECT_EVERY == 0:
            gc.collect()
        every = settings.checkpoint.every
        self.due = self.due or bool(every and self.step % every == 0)
        if self.due:
            self._save_if_sound()
        if self.held_out and self.step % settings.data.validation_every == 0:
            self._catch_up()
            self._validate(self.held_out)
        if self.metrics.heart.paused and self.waiting is None:
            self.watch.restart()
            self.metrics.heart.resume()

    def _save_if_sound(self) -> None:
        """Begin a checkpoint, or wait for a step that is worth to replace an older one."""
        # Its line is on the disk before it is: what is committed is never without its figures.
        self._catch_up()
        if self.health.sound:
            self._save()
            self.due = False
        elif self.step % self.settings.checkpoint.every == 0:
            lost = "had no finite gradient" if self.health.skipped else "had a spike of the loss"
            self.metrics.event(
                "checkpoint-withheld",
                f"step {self.step}: no checkpoint, because it {lost}; the next sound step has one",
                step=self.step,
            )

    def _ended(self) -> int:
        """Say how the run ended, and return its exit status."""
        newest = self.checkpoints.newest if self.checkpoints else None
        done = self.step >= self.settings.run.steps
        end = self.health.ended(self.step, done=done, newest=newest)
        self.metrics.event(end.name, end.text, step=self.step, status=end.status)
        self.metrics.sync()
        return end.status

    def _step(self, feed: Prefetch) -> Report:
        loss = torch.zeros((), device=self.device)
        waited = 0.0
        for micro_step in range(self.micro_steps):
            self.watch(COMPUTES, "what is between two passes")
            began = time.perf_counter()
            inputs, targets = feed.next()
            waited += time.perf_counter() - began
            self.watch(DATA, "the wait for data")
            self.sharded.boundary(reached=micro_step == self.micro_steps - 1)
            share = self.sharded.module(inputs, targets, 1.0 / self.tokens)
            self.watch(COMPUTES, "the loss")
            share.backward()
            self.watch(OTHERS, "the wait for gradients")
            loss = loss + share.detach()
        if self.checkpoints:
            self.checkpoints.settle()
        rate = learning_rate(self.settings.optimizer, self.step, self.settings.run.steps)
        norm = self.optimizer.step(rate)
        self.step += 1
        asked = torch.full_like(loss, float(self.stop_asked))
        lost = (~norm.isfinite()).to(loss.dtype)
        mine = self.blame.row(loss, writes=self.writes)
        self.watch(COMPUTES, "the optimizer")
        sums = torch.cat((torch.stack((loss, asked, lost)), mine))
        dist.all_reduce(sums)
        values = torch.cat((sums[:1], norm.to(sums.dtype)[None], sums[1:]))
        values = values.to("cpu", non_blocking=True)
        self.watch(OTHERS, "the end of the step")
        return Report(self.step, values, Mark(self.device), rate, waited, self.watch.taken())

    def _catch_up(self) -> None:
        """Record the last step's figures now, waiting for the GPU."""
        self._record(self.waiting)
        self.waiting = None

    def _record(self, report: Report | None) -> None:
        """Record a step's figures."""
        if report is None:
            return
        seconds, self.mark = report.done.seconds_since(self.mark), report.done
        loss, norm, asked, lost = report.values[:4].tolist()
        spikes = self.health.saw(loss, finite=not lost)
        self.stopped = self.stopped or bool(asked)
        self.metrics.step(
            report.step,
            loss=loss,
            norm=norm,
            rate=report.rate,
            tokens=self.tokens,
            seconds=seconds,
            waited=report.waited,
            skipped=self.health.skipped,
        )
        if spikes:
            self.metrics.event(
                "loss-spike",
                f"step {report.step}: the loss of {loss:.4f} is a spike over its median of "
                f"{self.health.usual:.4f}; checkpoints wait until it is over",
                step=report.step,
                loss=loss,
            )
        self.blame.passed(report.marks)
        self.stopped = self.blame.judge(report.step, report.values[4:]) or self.stopped

    def _save(self) -> None:
        if self.checkpoints:
            self.metrics.sync()
            facts = {
                "model": asdict(self.settings.model),
                "layout": asdict(self.layout),
                "order": self.order,
                "tokens": self.step * self.tokens,
                "torch": torch.__version__,
            }
            self.checkpoints.save(self.step, self.optimizer.state(), facts)
            self.saved = self.step

    @torch.no_grad()
    def _validate(self, batches: Batches) -> None:
        self.metrics.pause()
        size = batches.global_batch
        loss = torch.zeros((), device=self.device)
        for micro_step in range(size // (batches.ranks * batches.micro_batch)):
            rows = torch.from_numpy(batches.folder.read(batches.numbers(0, micro_step)))
            rows = rows.to(self.device)
            scale = 1.0 / (size * self.settings.model.sequence)
            loss = loss + self.sharded.module(rows[:, :-1], rows[:, 1:], scale)
        dist.all_reduce(loss)
        value = float(loss)
        self.metrics.event(
            "validation",
            f"step {self.step:7d}  held-out loss {value:.4f}",
            step=self.step,
            loss=value,
        )
        self.mark = Mark(self.device)
