"""What the console command ends with."""

from typing import Final

ALL_WELL: Final = 0
SOME_FAIL: Final = 1
COULD_NOT_RUN: Final = 2
"""It could not be found out: nothing is known to be wrong, and nothing to be right."""
INTERRUPTED: Final = 130
"""As of a program that SIGINT ended."""
