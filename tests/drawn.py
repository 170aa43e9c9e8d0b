"""How many examples are drawn where each takes a part of a second.

`make properties` draws twenty times as many.
"""

import os
from typing import Final

from hypothesis import settings

TIMES: Final = int(os.environ.get("ULTRACLUSTER_EXAMPLES", "1"))


def some(count: int, *, same: bool = False) -> settings:
    """Return settings for so many examples, the same in every run of the suite if it is said."""
    return settings(max_examples=count * TIMES, derandomize=same and TIMES == 1)
