"""Tokens on disk, and which of them make a batch.

The folders of tokens (`training.tokens`) are memory-mapped: a rank reads what its batch needs, and
the page cache does the rest. Which sequences make a step depends on the seed and the step alone,
never on ranks, so a run sees the same batches on any number of GPUs and after any restart.
"""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor

from training.failure import everywhere
from training.tokens import TokenFolder, Tokens

Indices = npt.NDArray[np.uint64]

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


BLOCK = 2**16
"""Sequences among which each source has its share exactly."""


@dataclass(frozen=True)
class Mixture:
    """Which sequence comes at which place where several sources are mixed by weights.

    Of every 65,536 places each source has its share, spread at random, and goes through all of its
    own sequences, in its own order, before any of them comes again.
    """

    sizes: tuple[int, ...]
    """Sequences of each source; they are numbered one source after the other."""
    weights: tuple[float, ...]
    """Their shares, in any unit."""
    seed: int

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the sequence at each place."""
        offsets = np.concatenate(([0], np.cumsum(self.sizes)[:-1]))
        blocks, positions = np.divmod(places, BLOCK)
        result = np.empty_like(positions)
        for block in np.unique(blocks):
            here = blocks == block
            sources, before = _dealt(self.weights, self.seed, int(block))
            chosen, counts = sources[positions[here]], before[positions[here]]
            numbers = np.empty_like(counts)
            for source, size in enumerate(self.sizes):
                mine = chosen == source
                numbers[mine] = offsets[source] + Order(size, self.seed).at(counts[mine])
            result[here] = numbers
        return result


@lru_cache(maxsize=2)
def _dealt(
    weights: tuple[float, ...], seed: int, block: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the source of each place of a block, and how many places it has had before."""
    ends = np.rint(np.cumsum(weights) / sum(weights) * BLOCK).astype(np.int64)
    # A key that no epoch of a source has.
    key = (seed << 32) + (1 << 31) + block
    drawn = permute(np.arange(BLOCK, dtype=np.uint64), BLOCK, key)
    sources = np.searchsorted(ends, drawn, side="right")
    before = np.empty(BLOCK, dtype=np.int64)
    for source, count in enumerate(np.diff(ends, prepend=0)):
        before[sources == source] = block * count + np.arange(count)
    return sources, before


def order_of(folder: TokenFolder, weights: tuple[float, ...], seed: int) -> Order | Mixture:
    """Return the order of training: by weights, or all sequences of all folders as one."""
    if weights:
        return Mixture(folder.sizes, weights, seed)
    return Order(len(folder), seed)


def opened(path: str, *, sequence: int, vocabulary: int, verify: bool = True) -> TokenFolder:
    """Return the tokens of a path, which every rank sees and which are what they should be."""
    folder = everywhere(lambda: TokenFolder.open(path, sequence=sequence, vocabulary=vocabulary))
    if verify:
        rank, ranks = dist.get_rank(), dist.get_world_size()
        everywhere(lambda: folder.verify(rank, ranks), by_all=False)
    return folder


@dataclass(frozen=True)
class Batches:
    """The micro-batches of one data rank."""

    folder: TokenFolder
    order: Order | Mixture
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
