"""What a run tells people and nodes, and its lines for machines: JSON objects, in one file.

A file that cannot be written does not end the run: lines wait in memory, and follow in their order
as soon as there is room again. A line is whole or not there: what a crash left of one is removed by
the next start.
"""

import contextlib
import errno
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from training.heartbeat import PAUSE_SECONDS, Heartbeat

FILE: Final = "metrics.jsonl"
MOST_WAITING: Final = 64 * 2**20
"""Bytes of lines that wait in memory, the newest; about 200,000 steps."""
PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE})
"""Why a file cannot be opened that may be over in an hour: no mistake of whoever named it."""


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


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def step_values(
    step: int,
    *,
    loss: float,
    norm: float,
    rate: float,
    tokens: int,
    seconds: float,
    ranks: int,
    flops: float,
    peak: float | None,
    memory: float,
    waited: float,
) -> dict[str, Any]:
    """Return the line of a step for machines.

    Args:
        step: Counted from 1.
        loss: Mean cross entropy of the batch, in nats per token.
        norm: Norm of the gradient before clipping.
        rate: Learning rate.
        tokens: Tokens in the batch over all ranks.
        seconds: From the end of the step before to the end of this one.
        ranks: Ranks of the job.
        flops: Of one token, forward and backward.
        peak: FLOP/s of one GPU; None where it is unknown.
        memory: Most GiB held so far.
        waited: Seconds that the step waited for data.
    """
    per_second = tokens / seconds
    return {
        "event": "step",
        "step": step,
        "loss": loss,
        "norm": norm,
        "lr": rate,
        "tokens": tokens,
        "seconds": seconds,
        "tokens_per_s": per_second,
        "tokens_per_s_per_gpu": per_second / ranks,
        "mfu": per_second * flops / (ranks * peak) if peak else None,
        "memory_gib": memory,
        "data_wait_s": waited,
    }


def step_text(values: Mapping[str, Any]) -> str:
    """Return the line of a step for people."""
    share = "" if values["mfu"] is None else f"  mfu {values['mfu']:6.2%}"
    return (
        "step {step:7d}  loss {loss:8.4f}  norm {norm:8.3f}  lr {lr:.2e}  {tokens_per_s:11,.0f} "
        "tok/s{share}  {memory_gib:6.2f} GiB  {seconds:7.3f} s"
    ).format(share=share, **values)


class Record:
    """The file of one run; rank 0 writes it.

    Args:
        folder: Made where it is not there.
        complain: Called with a sentence when lines begin to wait, and when they no longer do.

    Raises:
        OSError: If the file cannot be opened, and not for want of room.
    """

    def __init__(self, folder: Path, complain: Callable[[str], None]) -> None:
        self.path, self.complain = folder / FILE, complain
        self.file: int | None = None
        self.waiting = b""
        self.failed = False
        try:
            self._opened()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            self._failed(error)

    def _opened(self) -> int:
        """Return the file, opened at the first time that this can be done."""
        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            with contextlib.suppress(OSError):
                os.ftruncate(self.file, _end_of_lines(self.file))
        return self.file

    def write(self, values: dict[str, Any]) -> None:
        """Append a line, and those that wait before it; JSON has no NaN and no infinity."""
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        self.waiting += json.dumps({"time": now(), **finite}).encode() + b"\n"
        try:
            while self.waiting:
                # What is written of a line before the disk is full is followed by its rest.
                self.waiting = self.waiting[os.write(self._opened(), self.waiting) :]
        except OSError as error:
            self._failed(error)
        else:
            if self.failed:
                self.failed = False
                self.complain(f"{self.path} is written again, with every line that has waited")

    def _failed(self, error: OSError) -> None:
        if not self.failed:
            self.complain(
                f"{self.path} cannot be written ({error.strerror}); training goes on, and its "
                "lines wait in memory until there is room"
            )
        self.failed = True
        if len(self.waiting) > MOST_WAITING:
            # The first of them may be the rest of one: it stays.
            first = self.waiting.index(b"\n") + 1
            cut = self.waiting.index(b"\n", len(self.waiting) - MOST_WAITING // 2) + 1
            self.waiting = self.waiting[:first] + self.waiting[cut:]

    def sync(self) -> None:
        """Return when the lines are on the disk, as far as they can be written at all."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                os.fsync(self.file)

    def close(self) -> None:
        if self.file is not None:
            with contextlib.suppress(OSError):
                os.close(self.file)


def _end_of_lines(file: int) -> int:
    end = os.fstat(file).st_size
    for start in range(end, 0, -4096):
        at = max(0, start - 4096)
        found = os.pread(file, start - at, at).rfind(b"\n")
        if found >= 0:
            return at + found + 1
    return 0


class Teller:
    """What one rank tells of a run: its node in any case, people and the record if it speaks.

    Args:
        folder: `run.path`; None records nothing.
        rank: Of all ranks.
        gpu: Index of its GPU on the node.
        print_every: Steps between the lines of steps for people.
        checkpoint_every: Steps between checkpoints; 0 where there are none.
    """

    def __init__(
        self, folder: str | None, rank: int, gpu: int, *, print_every: int, checkpoint_every: int
    ) -> None:
        self.folder = folder
        self.print_every, self.checkpoint_every = print_every, checkpoint_every
        self.heart = Heartbeat(rank, gpu)
        self.speaks = False
        self.record: Record | None = None

    def speak(self) -> None:
        """Have this rank be the one that speaks; a resumed run goes on in the same record.

        Raises:
            OSError: If the folder can never be written.
        """
        self.speaks = True
        if self.folder:
            self.record = Record(Path(self.folder), say)
        self.heart.committed()

    def event(self, name: str, text: str, **values: Any) -> None:
        """Say and record something that is not a step."""
        if self.speaks:
            if name in ("start", "checkpoint"):
                self.heart.committed()
            say(text)
            self._write({"event": name, "text": text, **values})

    def stepped(self, values: dict[str, Any], note: str = "", **more: Any) -> None:
        """Tell, say and record a finished step.

        Args:
            values: As `step_values` has them.
            note: What is said of it besides.
            **more: What is recorded of it besides.
        """
        self.heart.stepped(values["seconds"])
        if self.speaks:
            self.heart.figures(values, self.checkpoint_every)
            if values["step"] % self.print_every == 0 or values["step"] == 1 or note:
                say(step_text(values) + note)
            self._write({**values, **more})

    def _write(self, values: dict[str, Any]) -> None:
        if self.record:
            self.record.write(values)

    def pause(self) -> None:
        """Announce what takes longer than a step: a checkpoint, or a validation."""
        self.heart.promise(PAUSE_SECONDS)

    def sync(self) -> None:
        """Return when what was recorded is on the disk: before a checkpoint says that it was."""
        self.pause()
        if self.record:
            self.record.sync()

    def close(self) -> None:
        self.heart.close()
        if self.record:
            self.record.close()
