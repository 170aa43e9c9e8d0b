"""Tokens on disk, and which of them make a batch.

A folder of tokens holds one-dimensional `.npy` files of uint16 or uint32 and an `index.json` that
lists them. They are memory-mapped: a rank reads what its batch needs, and the page cache does the
rest. Which sequences make a step depends on the seed and the step alone, never on ranks, so a run
sees the same batches on any number of GPUs and after any restart.
"""

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.problems import UserError

Indices = npt.NDArray[np.uint64]
Tokens = npt.NDArray[np.int64]

INDEX = "index.json"
FEISTEL_ROUNDS = 6
"""Four rounds make a pseudo-random permutation of a strong round function (Luby and Rackoff,
1988); two more cost nothing here."""


def mix(value: Indices, key: int) -> Indices:
    """Return 64 well-stirred bits of each value (splitmix64's finaliser, Steele et al., 2014)."""
    with np.errstate(over="ignore"):
        z = value + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def permute(positions: Indices, size: int, key: int) -> Indices:
    """Return where a keyed permutation of range(size) sends each position.

    A Feistel network over the next even power of two, walked until it lands inside: no table, so a
    shuffle of a billion sequences takes no memory.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask, shift = np.uint64((1 << half) - 1), np.uint64(half)
    values = positions.copy()
    outside = np.ones(values.shape, dtype=bool)
    while outside.any():
        left, right = values[outside] >> shift, values[outside] & mask
        for turn in range(FEISTEL_ROUNDS):
            stir = mix(right, (key * FEISTEL_ROUNDS + turn) * 0x9E3779B97F4A7C15 % 2**64)
            left, right = right, left ^ (stir & mask)
        values[outside] = (left << shift) | right
        outside = values >= np.uint64(size)
    return values


@dataclass(frozen=True)
class TokenFolder:
    """A folder of memory-mapped tokens, seen as sequences of a fixed length."""

    shards: tuple[npt.NDArray[Any], ...]
    sequence: int
    """Tokens of a sequence; one more is read, which the last has to predict."""
    ends: npt.NDArray[np.int64]
    """For each shard, how many sequences it and those before it hold."""

    @classmethod
    def open(cls, path: str, *, sequence: int, vocabulary: int) -> "TokenFolder":
        """Map the tokens of a folder."""
        folder = Path(path)
        if not (folder / INDEX).is_file():
            raise UserError(
                f"data.path = {path!r}: holds no {INDEX}; write the folder that "
                "`python -m training.prepare --out FOLDER ...` made"
            )
        ids, entries = _index(folder / INDEX)
        if ids > vocabulary:
            raise UserError(
                f"model.vocabulary = {vocabulary}: the tokens in {path} go up to "
                f"{ids - 1}; write {-(-ids // 64) * 64}"
            )
        shards = []
        for name, tokens in entries:
            file = folder / name
            try:
                shard = np.load(file, mmap_mode="r")
            except (OSError, ValueError) as error:
                raise UserError(
                    f"{file}: cannot be read ({error}); run training.prepare again"
                ) from None
            if shard.size != tokens:
                raise UserError(
                    f"{file}: holds {shard.size} tokens where {INDEX} says {tokens}; "
                    "run training.prepare again"
                )
            shards.append(shard)
        ends = np.cumsum([max(0, shard.size - 1) // sequence for shard in shards])
        if not ends.size or not ends[-1]:
            longest = max((shard.size for shard in shards), default=0)
            raise UserError(
                f"data.path = {path!r}: no shard is longer than {longest} tokens and one sequence "
                f"takes {sequence + 1}; write model.sequence below {longest}, or prepare more text"
            )
        return cls(tuple(shards), sequence, ends)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def read(self, numbers: npt.NDArray[np.int64]) -> Tokens:
        """Return the sequences of these numbers, (n, sequence + 1)."""
        rows = np.empty((len(numbers), self.sequence + 1), dtype=np.int64)
        for row, number in zip(rows, numbers, strict=True):
            shard = int(np.searchsorted(self.ends, number, side="right"))
            before = int(self.ends[shard - 1]) if shard else 0
            start = (int(number) - before) * self.sequence
            row[:] = self.shards[shard][start : start + self.sequence + 1]
        return rows


def _index(file: Path) -> tuple[int, list[tuple[str, int]]]:
    """Return how many ids there are, and each shard's name and tokens."""
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
        shards = [(str(entry["file"]), int(entry["tokens"])) for entry in index["shards"]]
        return int(index["vocabulary"]), shards
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file}: cannot be read ({type(error).__name__}: {error}); run training.prepare again"
        ) from None


@dataclass(frozen=True)
class Order:
    """Which sequence comes at which place of an endless, reshuffled stream."""

    size: int
    seed: int | None
    """Which order; None keeps them as they lie on disk."""

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the sequence at each place; every epoch has each sequence once."""
        epochs, positions = np.divmod(places, self.size)
        if self.seed is None:
            return positions
        result = np.empty_like(positions)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            key = (self.seed << 32) + int(epoch)
            result[chosen] = permute(positions[chosen].astype(np.uint64), self.size, key)
        return result


@dataclass(frozen=True)
class Batches:
    """The micro-batches of one data rank."""

    folder: TokenFolder
    order: Order
    global_batch: int
    """Sequences in a step over all ranks."""
    micro_batch: int
    """Sequences of this rank in a micro-step."""
    rank: int
    ranks: int

    def numbers(self, step: int, micro_step: int) -> npt.NDArray[np.int64]:
        """Return the sequences of one micro-step of this rank."""
        first = step * self.global_batch
        first += (micro_step * self.ranks + self.rank) * self.micro_batch
        return self.order.at(np.arange(first, first + self.micro_batch))

    def from_step(self, step: int) -> Iterator[Tokens]:
        """Yield micro-batches (micro_batch, sequence + 1) from that step on, for ever."""
        while True:
            for micro_step in range(self.global_batch // (self.ranks * self.micro_batch)):
                yield self.folder.read(self.numbers(step, micro_step))
            step += 1


class Prefetch:
    """A thread that reads ahead, so that the file system is never waited for twice.

    A thread and not a process: a fork would take EFA's registered memory with it, which is
    undefined with huge pages (FI_EFA_USE_HUGE_PAGE), and reading releases the interpreter's lock.
    """

    def __init__(self, source: Iterator[Tokens], device: torch.device, depth: int = 4) -> None:
        self.device = device
        self.ready: queue.Queue[Tensor | BaseException] = queue.Queue(depth)
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(source,), daemon=True)
        self.thread.start()

    def _read(self, source: Iterator[Tokens]) -> None:
        try:
            for rows in source:
                tensor = torch.from_numpy(rows)
                self._offer(tensor.pin_memory() if self.device.type == "cuda" else tensor)
                if self.closed.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks
            self._offer(error)

    def _offer(self, item: Tensor | BaseException) -> None:
        while not self.closed.is_set():
            try:
                self.ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def next(self) -> tuple[Tensor, Tensor]:
        """Return inputs and targets, each (b, s), on the device."""
        item = self.ready.get()
        if isinstance(item, BaseException):
            raise item
        rows = item.to(self.device, non_blocking=True)
        return rows[:, :-1], rows[:, 1:]

    def close(self) -> None:
        self.closed.set()
        self.thread.join()
