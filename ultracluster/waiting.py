"""The one way of waiting: look, and look again."""

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
    """Return what is seen once it is good, or when so many seconds are over.

    Args:
        look: what is to be seen.
        good: whether it is.
        seconds: how long it may take; it is looked at once at least, and once afterwards.
        pause: seconds between two looks.
        longest: what the pause may grow to, by half of itself each time; None leaves it.
    """
    deadline = time.monotonic() + seconds
    while not good(found := look()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 1.5, longest) if longest else pause
    return found
