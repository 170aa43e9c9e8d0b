"""Whether a run still learns, and how it ends: its exit status, and what it says. Pure."""

import math
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from training.launch.contract import AGAIN, DONE, NOT_FINITE, UNSAVED

REMEMBERED: Final = 64
"""Losses whose median is what a spike rises above."""
ENOUGH: Final = 16
"""Losses that must be known before one can be called a spike."""


@dataclass
class Health:
    """The steps of one start of a run, as they end.

    Args:
        most_skipped: Steps in a row without a finite gradient that a run survives; 0 for any.
        spike: Nats above the median of the losses before, from which on a loss is a spike; 0 never.
        most_spiked: Steps in a row that a spike may last; 0 for any.
    """

    most_skipped: int
    spike: float
    most_spiked: int
    skipped: int = 0
    """Steps in a row, up to now, that changed nothing."""
    spiked: int = 0
    """Steps in a row, up to now, whose loss was a spike."""
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def saw(self, loss: float, *, finite: bool) -> None:
        """Take in a step: its loss, and whether its gradient was finite on every rank."""
        if not finite or not math.isfinite(loss):
            self.skipped += 1
            return
        self.skipped = 0
        if self.spike and len(self.losses) >= ENOUGH and loss > self.usual + self.spike:
            self.spiked += 1
            return
        self.spiked = 0
        self.losses.append(loss)

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
        if self.most_skipped and self.skipped >= self.most_skipped:
            return f"{self.skipped} steps in a row have had no finite gradient and changed nothing"
        if self.most_spiked and self.spiked >= self.most_spiked:
            return (
                f"the loss has been {self.spike:g} nats or more above its median of "
                f"{self.usual:.4f} for {self.spiked} steps"
            )
        return None


@dataclass(frozen=True, slots=True)
class Ending:
    """An end that every rank has come to."""

    status: int
    name: str
    """Of the event in the record."""
    text: str
    """What is said to people."""


def ending(step: int, *, done: bool, newest: int | None, diverged: str | None) -> Ending:
    """Return how a run ended.

    Args:
        step: The last step.
        done: Whether it was the last one that was asked for.
        newest: Step of the newest checkpoint, 0 for none; None for a run that writes none.
        diverged: Why it no longer learns, or None.
    """
    kept = f"the newest checkpoint is of step {newest}" if newest else "there is none"
    if diverged:
        return Ending(
            NOT_FINITE,
            "diverged",
            f"DIVERGED at step {step}: {diverged}; {kept}; go on from there, or from one before "
            "it, with a lower optimizer.learning_rate, a lower optimizer.clip_norm or other data",
        )
    if newest is not None and newest != step:
        return Ending(
            UNSAVED,
            "unsaved",
            f"ended after step {step}, which is NOT SAVED: {kept}; mend what kept it from being "
            "written, and the same command goes on from there",
        )
    if not done:
        text = f"stopped after step {step}; the same command goes on from there"
        return Ending(AGAIN, "stopped", text)
    return Ending(DONE, "done", f"done after step {step}")


LAST_IS_LOST: Final = "the last step had no finite gradient, and its state is not written"
