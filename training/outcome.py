"""How a run of the training program ends: its exit status, and what it says. Pure."""

from dataclasses import dataclass
from typing import Final

DONE, DIVERGED, UNSAVED, STOPPED = 0, 65, 74, 75
"""EX_DATAERR, EX_IOERR and EX_TEMPFAIL of sysexits.h."""


@dataclass(frozen=True, slots=True)
class Ending:
    """An end that every rank has come to.

    Attributes:
        status: Exit status.
        name: Name of the event in the record.
        text: What is said to people.
    """

    status: int
    name: str
    text: str


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
            DIVERGED,
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
        return Ending(STOPPED, "stopped", text)
    return Ending(DONE, "done", f"done after step {step}")


LAST_IS_LOST: Final = "the last step had no finite gradient, and its state is not written"
