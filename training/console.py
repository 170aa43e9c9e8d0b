"""What a run says to people: never a reason for it to end."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line.

    Whoever reads it may have gone (`| head`), or the disk of a log may be full: then nothing more
    is said there, and nothing is left for the interpreter to fail with at its end.
    """
    stream = stream or sys.stdout
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError), Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
