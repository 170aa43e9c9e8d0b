"""Checkpoints that exist whole or not at all, written while training goes on.

    PATH/step-00000200/            a committed checkpoint
        __0_0.distcp ...           torch.distributed.checkpoint's files, each part written once
        .metadata
        manifest.json              step, model, layout; bytes and SHA-256 of every file
    PATH/step-00000300.partial/    being written, or left by a job that died
    PATH/step-00000250.damaged/    found not to match its manifest

Saving copies the state to pinned memory on a stream of its own, beside the next step's forward and
backward pass; the optimizer waits for the copy, on the GPU, before it changes the state. A thread
then writes and hashes (`training.stream`), and renames. PyTorch's `async_save` is not used because
its copy holds up the training thread, and because committing has to follow in the same thread.
"""

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor
from torch.utils.serialization import config as serialization

from training.failure import everywhere
from training.manifest import MANIFEST, committed, digest, folder_of, seal
from training.problems import UserError, failed, first_line
from training.restore import Say, restored
from training.settings import CheckpointSettings
from training.stream import HashingFileSystem

ABANDON_SECONDS = 20.0
"""How long a checkpoint that is being written may take after a rank has failed."""


class Outcome(NamedTuple):
    """How the writing of a checkpoint ended."""

    step: int
    error: str | None
    """Why there is no such checkpoint, or None."""
    seconds: float
    """From the start of the copy to the commit."""
    gigabytes: float
    """Written by all ranks."""


class Checkpoints:
    """The checkpoints of one run; every rank makes the same calls.

    Args:
        settings: Where they are, on a file system that all ranks share, and how many are kept.
        group: A gloo group of all ranks that nobody else uses: the thread talks on it.
        say: Called with a name, a sentence and values; for the record of the run.
    """

    def __init__(self, settings: CheckpointSettings, group: Any, say: Say) -> None:
        self.settings, self.group, self.say = settings, group, say
        self.path = Path(str(settings.path))
        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        self.thread: threading.Thread | None = None
        self.outcome: Outcome | None = None
        self.host: dict[str, Tensor] = {}
        self.stream: torch.cuda.Stream | None = None
        if torch.cuda.is_available():
            self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.copied: torch.cuda.Event | None = None
        self.until: torch.cuda.Event | None = None
        self.newest = 0
        """Step of the newest checkpoint that is known to be whole; 0 where there is none."""
        self.failures = 0
        """Checkpoints in a row that could not be written."""
        everywhere(self._open, by_all=False)
        everywhere(self._probe)

    @property
    def writes(self) -> bool:
        """Whether a checkpoint is being written."""
        return self.thread is not None and self.thread.is_alive()

    def _open(self) -> None:
        """Make the folder, and forget what a job that died was writing."""
        if self.rank == 0:
            with self._written():
                self.path.mkdir(parents=True, exist_ok=True)
            for leftover in self.path.glob("step-*.partial"):
                shutil.rmtree(leftover, ignore_errors=True)

    def _probe(self) -> None:
        """Find out now, not after hours of work, that a node cannot write here.

        Rank 0 has made the folder: a node that does not see it has another file system.
        """
        probe = self.path / f".rank-{self.rank}"
        with self._written():
            probe.touch()
            probe.unlink()

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"checkpoint.path = {str(self.path)!r}: cannot be written ({error.strerror}); "
                "write a folder that all nodes share and that you may write"
            ) from None

    def save(self, step: int, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Begin to write the state of a step; training may go on, `settle` permitting."""
        if self.writes:
            text = "the last checkpoint is still being written and training waits for it; a larger"
            self.say("checkpoint-slow", f"step {step}: {text} checkpoint.every avoids that")
        self.finish()
        began = time.perf_counter()
        self._copy(state)
        manifest = {"step": step, "facts": facts}
        self.outcome = None
        self.thread = threading.Thread(target=self._work, args=(step, manifest, began), daemon=True)
        self.thread.start()

    def settle(self) -> None:
        """Call before changing the state: the GPU's stream then waits for the copy, if any."""
        if self.copied is not None:
            torch.cuda.current_stream().wait_event(self.copied)
            self.copied = None

    def finish(self) -> None:
        """Wait for the checkpoint that is being written, and report how it ended.

        A failure is reported and counted, not raised: one full disk does not end a healthy run.
        """
        if self.thread is None:
            return
        self.thread.join()
        self.thread = None
        done = self.outcome
        if done is None:
            return
        self.failures = self.failures + 1 if done.error else 0
        if done.error:
            self.say(
                "checkpoint-failed",
                f"step {done.step}: NO CHECKPOINT was written "
                f"({done.error}); the one before stays the newest",
                step=done.step,
            )
        else:
            self.newest = done.step
            self.say(
                "checkpoint",
                f"step {done.step}: checkpoint of {done.gigabytes:.2f} GB "
                f"written in {done.seconds:.1f} s",
                step=done.step,
                seconds=done.seconds,
                gigabytes=done.gigabytes,
            )

    def abandon(self) -> None:
        """Let a checkpoint come to its end where a rank has failed."""
        if self.thread:
            self.thread.join(ABANDON_SECONDS)

    def reserve(self, state: dict[str, Tensor]) -> None:
        """Take the host memory that copies need: at the start, where its lack is noticed early."""
        for name, value in state.items():
            if name not in self.host:
                pin = value.device.type == "cuda"
                self.host[name] = torch.empty_like(value, device="cpu", pin_memory=pin)

    def _copy(self, state: dict[str, Tensor]) -> None:
        """Copy this rank's parts to the host, beside the stream that computes."""
        self.reserve(state)
        if self.stream is None:
            for name, value in state.items():
                _local(self.host[name]).copy_(_local(value))
            return
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for name, value in state.items():
                _local(self.host[name]).copy_(_local(value), non_blocking=True)
            self.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self.copied.record()
        self.until = self.copied

    def _work(self, step: int, manifest: dict[str, Any], began: float) -> None:
        try:
            self._write(step, manifest, began)
        except RuntimeError as error:  # a rank has gone: the main thread will say so
            seconds = time.perf_counter() - began
            self.outcome = Outcome(step, _cause(self.rank, error), seconds, 0.0)

    def _write(self, step: int, manifest: dict[str, Any], began: float) -> None:
        """Write, hash and commit; runs on the thread, on every rank."""
        final = folder_of(self.path, step)
        partial = final.with_suffix(".partial")
        if self.until is not None:
            self.until.synchronize()
        # Looked at while it is written: no rank leaves the others waiting in the middle of it.
        with ThreadPoolExecutor(1) as beside:
            unsound = beside.submit(_unsound, self.rank, self.host)
            report = self._files(partial)
        if why := unsound.result():
            report = {"error": why}
        reports = self._gathered(report)
        errors = [r["error"] for r in reports if "error" in r]
        files = {name: value for r in reports if not errors for name, value in r.items()}
        verdict = [errors[0] if errors else None]
        if self.rank == 0 and not errors:
            try:
                self._commit(partial, final, {**manifest, "files": files})
            except OSError as error:
                verdict = [first_line(error)]
        if self.rank == 0 and verdict[0]:
            verdict = [f"{verdict[0]}; {self._room()}"]
            # It would take the room of the next one.
            shutil.rmtree(partial, ignore_errors=True)
        dist.broadcast_object_list(verdict, src=0, group=self.group)
        size = sum(value["bytes"] for value in files.values()) / 1e9
        self.outcome = Outcome(step, verdict[0], time.perf_counter() - began, size)

    def _gathered(self, mine: Any) -> list[Any]:
        found: list[Any] = [None] * self.ranks
        dist.all_gather_object(found, mine, group=self.group)
        return found

    def _files(self, partial: Path) -> dict[str, Any]:
        """Write this rank's files, and return what a manifest says of them, or an error."""
        try:
            writer = FileSystemWriter(partial, single_file_per_rank=True, sync_files=True)
            writer.fs = written = HashingFileSystem()
            # The files' own CRC-32 takes longer than their SHA-256, which says more.
            with serialization.patch({"save.compute_crc32": False}):  # type: ignore[attr-defined]
                save(self.host, storage_writer=writer, process_group=self.group)
        except BaseException as error:  # noqa: BLE001 - CheckpointException is no Exception
            return {"error": _cause(self.rank, error)}
        mine = f"__{self.rank}_"
        return {name: value for name, value in written.digests.items() if name.startswith(mine)}

    def _room(self) -> str:
        """Say how much of the file system is left, and how much a checkpoint takes."""
        needed = sum(value.numel() * value.element_size() for value in self.host.values())
        free = shutil.disk_usage(self.path).free
        return f"{free / 1e9:,.3f} GB are free, and a checkpoint takes {needed / 1e9:,.3f} GB"

    def _commit(self, partial: Path, final: Path, manifest: dict[str, Any]) -> None:
        manifest["files"][".metadata"] = digest(partial / ".metadata")
        text = json.dumps({**manifest, "seal": seal(manifest)}, indent=1)
        with (partial / MANIFEST).open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if final.exists():
            raise FileExistsError(f"{final.name} is there already: another run writes there, too")
        partial.rename(final)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        for old in committed(self.path)[self.settings.keep :]:
            shutil.rmtree(folder_of(self.path, old), ignore_errors=True)

    def resume(self, state: dict[str, Tensor], model: dict[str, Any]) -> dict[str, Any] | None:
        """Fill the state from the newest checkpoint that is whole; see `training.restore`."""
        manifest = restored(self.settings, self.group, state, model, self.say)
        if manifest is not None:
            self.newest = manifest["step"]
        return manifest


def _local(value: Tensor) -> Tensor:
    return value.to_local() if isinstance(value, DTensor) else value


def _unsound(rank: int, state: dict[str, Tensor]) -> str | None:
    """Say what of a state no run can go on from: a weight can overflow by a finite gradient."""
    for name, value in state.items():
        local = _local(value)
        if local.numel() and not all(end.isfinite() for end in torch.aminmax(local)):
            return f"rank {rank}: {name} holds values that are not finite"
    return None


def _cause(rank: int, error: BaseException) -> str:
    which, inner = failed(rank, error)
    return f"rank {which}: {first_line(inner)}"
