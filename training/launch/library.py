"""Shared libraries as the loader of the ranks will find them."""

import contextlib
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Opens a library as NCCL would, in a process of its own: the loader's path is what it was when a
# process began, and a broken library takes only that process down.
OPENER: Final = """
import ctypes, json, os, sys
name, call = sys.argv[1:3]
try:
    library = ctypes.CDLL(name, mode=os.RTLD_NOW)
except OSError as error:
    print(json.dumps({"error": str(error)})); sys.exit()
found = {}
if call:
    number = ctypes.c_int()
    if getattr(library, call)(ctypes.byref(number)) == 0:
        found["number"] = number.value
stem = os.path.basename(name).split(".so")[0]
for line in open("/proc/self/maps"):
    path = line.split(None, 5)[-1].strip()
    if stem in os.path.basename(path):
        found["path"] = path
        break
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Library:
    """A library as the loader finds it."""

    name: str
    """What was asked for."""
    path: Path | None = None
    """Where it lies, None where it was not found."""
    error: str | None = None
    """Why it does not load, None where it does."""
    number: int | None = None
    """What its version function answered."""


def searched(path: Path, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield what a pattern's group finds in a file of any size."""
    # NCCL has some hundred megabytes: mapped, it is not copied.
    with (
        contextlib.suppress(OSError, ValueError),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
    ):
        yield from [bytes(found[1]) for found in pattern.finditer(whole)]
