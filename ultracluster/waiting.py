"""Waits by polling."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    look: Callable[[], T],
    good: Callable[[T], object],
    seconds: float = math.inf,
    pause: float = 1.0,
    longest: float | None = None,
) -> T:
    """Poll until a value is good or the time is over, and return the last value.

    Args:
        look: returns the value.
        good: whether the value is the expected one.
        seconds: time limit; `look` is called at least once, and once after the limit.
        pause: seconds between two calls of `look`.
        longest: the pause grows by half each time up to this; None keeps it constant.
    """
    deadline = time.monotonic() + seconds
    while not good(found := look()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 1.5, longest) if longest else pause
    return found
