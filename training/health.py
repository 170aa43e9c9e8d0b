"""Whether a run still learns, and how it ends: its exit status, and what it says. Pure."""

import math
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from training.launch.contract import AGAIN, DONE, NOT_FINITE, UNSAVED
from training.settings import RunSettings

REMEMBERED: Final = 64
"""Losses whose median is what a spike rises above; and steps of which some may have no gradient."""
ENOUGH: Final = 16
"""Losses that must be known before one can be called a spike."""
LAST_IS_LOST: Final = "the last step had no finite gradient, and its state is not written"


class Ending(NamedTuple):
    """An end that every rank has come to."""

    status: int
    name: str
    """Of the event in the record."""
    text: str
    """What is said to people."""


@dataclass
class Health:
    """The steps of one start of a run, as they end."""

    run: RunSettings
    """What of them ends it: `most_skipped`, `loss_spike`, `most_spiked`."""
    skipped: int = 0
    """Steps in a row, up to now, that changed nothing."""
    spikes: deque[bool] = field(default_factory=deque)
    """Of the last steps that had a gradient, whether the loss of each was a spike."""
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    lost: deque[bool] = field(default_factory=deque)
    """Of the last steps, whether each changed nothing."""

    def saw(self, loss: float, *, finite: bool) -> bool:
        """Take in a step, and return whether a spike begins with it.

        Args:
            loss: Of the step.
            finite: Whether its gradient was finite on every rank.
        """
        bad = not finite or not math.isfinite(loss)
        self.lost.append(bad)
        if len(self.lost) > max(REMEMBERED, self.run.most_skipped):
            self.lost.popleft()
        if bad:
            self.skipped += 1
            return False
        before, spike = self.spiked, self.run.loss_spike
        self.skipped = 0
        self.spikes.append(bool(spike and len(self.losses) >= ENOUGH and loss > self.usual + spike))
        if len(self.spikes) > max(1, 2 * self.run.most_spiked):
            self.spikes.popleft()
        if not self.spiked:
            self.losses.append(loss)
        return self.spiked and not before

    @property
    def spiked(self) -> bool:
        """Whether the loss of the last step that had a gradient was a spike."""
        return bool(self.spikes) and self.spikes[-1]

    @property
    def usual(self) -> float:
        """The median of the losses that were no spikes."""
        return statistics.median(self.losses)

    @property
    def sound(self) -> bool:
        """Whether the last step is one to keep: its state may replace an older one."""
        return not self.skipped and not self.spiked

    @property
    def diverged(self) -> str | None:
        """Why the run is to end, None where it is not."""
        if 0 < self.run.most_skipped <= (lost := sum(self.lost)):
            steps = len(self.lost)
            return f"{lost} of the last {steps} steps had no finite gradient and changed nothing"
        if 0 < self.run.most_spiked <= (spikes := sum(self.spikes)):
            return (
                f"the loss has been {self.run.loss_spike:g} nats or more above its median of "
                f"{self.usual:.4f} in {spikes} of {len(self.spikes)} steps"
            )
        return None

    def ended(self, step: int, *, done: bool, newest: int | None) -> Ending:
        """Return how the run ended.

        Args:
            step: The last step.
            done: Whether it was the last one that was asked for.
            newest: Step of the newest checkpoint, 0 for none; None for a run that writes none.
        """
        kept = f"the newest checkpoint is of step {newest}" if newest else "there is none"
        lost = LAST_IS_LOST if done and self.skipped and newest is not None else None
        if why := self.diverged or lost:
            return Ending(
                NOT_FINITE,
                "diverged",
                f"DIVERGED at step {step}: {why}; {kept}; go on from there, or from one before "
                "it, with a lower optimizer.learning_rate, a lower optimizer.clip_norm or other "
                "data",
            )
        if newest is not None and newest != step:
            return Ending(
                UNSAVED,
                "unsaved",
                f"ended after step {step}, which is NOT SAVED: {kept}; mend what kept it from "
                "being written, and the same command goes on from there",
            )
        if not done:
            text = f"stopped after step {step}; the same command goes on from there"
            return Ending(AGAIN, "stopped", text)
        return Ending(DONE, "done", f"done after step {step}")
