"""Folders of tokens: one-dimensional `.npy` files of little-endian uint16 or uint32.

`index.json`, which `training.prepare` writes last, says how many ids there are, their type, and
each file's tokens and SHA-256. Nothing is taken on trust: a file's head is compared when it is
opened, its content at the start of a run, ranks sharing the work, and ids again as they are read.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from training.manifest import UnreadableError, digest, patiently
from training.problems import NodeError, UserError

Tokens = npt.NDArray[np.int64]
Result = TypeVar("Result")

INDEX: Final = "index.json"
TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "uint16": np.dtype("<u2"),
    "uint32": np.dtype("<u4"),
}
AGAIN: Final = "run training.prepare again"
NO_INDEX: Final = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    RecursionError,  # brackets in brackets
)
"""What reading a file raises that is none."""
LOOKED_AT: Final = 2**24
"""Ids whose range is looked at in one go."""


def folders(path: str) -> list[Path]:
    """Return the folders that `data.path` names, with commas between them."""
    return [Path(each.strip()) for each in path.split(",")]


@dataclass(frozen=True)
class Shard:
    """One file, and what its index says of it."""

    file: Path
    tokens: int
    sha256: str | None
    dtype: np.dtype[Any]
    vocabulary: int
    """One more than the largest id of its folder."""

    @cached_property
    def ids(self) -> npt.NDArray[Any]:
        """Its content, mapped.

        Raises:
            UserError: If it is not what the index says.
            NodeError: If it cannot be read now.
        """
        try:
            ids: npt.NDArray[Any] = _read(lambda: np.load(self.file, mmap_mode="r"))
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{self.file}: cannot be read ({error}); {AGAIN}") from None
        if not isinstance(ids, np.ndarray):
            raise UserError(f"{self.file}: is an archive of arrays and no array; {AGAIN}")
        if ids.ndim != 1 or ids.dtype != self.dtype:
            raise UserError(
                f"{self.file}: holds {ids.dtype.str} of shape {ids.shape} where {INDEX} says "
                f"one row of {self.dtype.str}; {AGAIN}"
            )
        if not ids.size:
            raise UserError(f"{self.file}: holds no tokens; {AGAIN}")
        if ids.size != self.tokens:
            raise UserError(
                f"{self.file}: holds {ids.size} tokens where {INDEX} says {self.tokens}; {AGAIN}"
            )
        return ids

    def verify(self) -> None:
        """Read the whole file against the index.

        Raises:
            UserError: If a byte or the range of ids is another.
            NodeError: If it cannot be read now.
        """
        if self.sha256 is None:
            raise UserError(
                f"{self.file}: {INDEX} has no sha256 of it; {AGAIN}, or write data.verify=false"
            )
        if _read(lambda: digest(self.file))["sha256"] != self.sha256:
            raise UserError(
                f"{self.file}: does not match its sha256 in {INDEX}: it was changed or damaged "
                f"after it was written; {AGAIN}"
            )
        for at in range(0, self.tokens, LOOKED_AT):
            _refuse_strangers(str(self.file), self.ids[at : at + LOOKED_AT], self.vocabulary)


def _read(action: Callable[[], Result]) -> Result:
    """Return what an action reads, patiently.

    Raises:
        NodeError: If it cannot be read now.
    """
    try:
        return patiently(action)
    except UnreadableError as error:
        raise NodeError(
            f"{error}: tokens cannot be read now; look at the file system's mount"
        ) from None


def _refuse_strangers(where: str, ids: npt.NDArray[Any], vocabulary: int) -> None:
    most = int(ids.max())
    if most >= vocabulary:
        raise UserError(
            f"{where}: holds the id {most} where {INDEX} says {vocabulary} ids, 0 to "
            f"{vocabulary - 1}; {AGAIN}"
        )


@dataclass(frozen=True)
class TokenFolder:
    """Memory-mapped tokens of one folder or several, seen as sequences of a fixed length."""

    shards: tuple[Shard, ...]
    sequence: int
    """Tokens of a sequence; one more is read, which the last has to predict."""
    ends: npt.NDArray[np.int64]
    """For each shard, how many sequences it and those before it hold."""
    sizes: tuple[int, ...] = ()
    """Sequences of each folder."""

    @classmethod
    def open(cls, path: str, *, sequence: int, vocabulary: int) -> "TokenFolder":
        """Map the tokens of a folder, or of several with commas between them.

        Raises:
            UserError: If they are not what their indexes say, or do not fit the model.
            NodeError: If they cannot be read now.
        """
        shards: list[Shard] = []
        held: list[int] = []
        sizes: list[int] = []
        for folder in folders(path):
            mine = _index(folder, path, vocabulary)
            sequences = [(shard.ids.size - 1) // sequence for shard in mine]
            if not sum(sequences):
                longest = max(shard.tokens for shard in mine)
                raise UserError(
                    f"data.path = {str(folder)!r}: no shard is longer than {longest} tokens and "
                    f"one sequence takes {sequence + 1}; write model.sequence below {longest}, or "
                    "prepare more text"
                )
            shards += mine
            held += sequences
            sizes.append(sum(sequences))
        return cls(tuple(shards), sequence, np.cumsum(held), tuple(sizes))

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def fingerprint(self) -> str:
        """A digest of what the indexes say of all tokens, in their order."""
        said = [[shard.tokens, shard.dtype.str, shard.sha256] for shard in self.shards]
        return hashlib.sha256(json.dumps([said, self.sizes]).encode()).hexdigest()

    def verify(self, rank: int = 0, ranks: int = 1) -> None:
        """Read this rank's share of the files against the indexes; see `Shard.verify`."""
        for shard in self.shards[rank::ranks]:
            shard.verify()

    def read(self, numbers: npt.NDArray[np.int64]) -> Tokens:
        """Return the sequences of these numbers, (n, sequence + 1).

        Raises:
            UserError: If one of their ids is none of the vocabulary.
        """
        rows = np.empty((len(numbers), self.sequence + 1), dtype=np.int64)
        for row, number in zip(rows, numbers, strict=True):
            index = int(np.searchsorted(self.ends, number, side="right"))
            shard, before = self.shards[index], int(self.ends[index - 1]) if index else 0
            start = (int(number) - before) * self.sequence
            row[:] = shard.ids[start : start + self.sequence + 1]
            _refuse_strangers(f"{shard.file}: from token {start} on", row, shard.vocabulary)
        return rows


def _index(folder: Path, path: str, vocabulary: int) -> Sequence[Shard]:
    """Return what the index of a folder says of its files."""
    file = folder / INDEX
    try:
        text = _read(file.read_bytes)
    except OSError:
        raise UserError(
            f"data.path = {path!r}: {'' if str(folder) == path else f'{folder} '}holds no {INDEX}; "
            "write the folder that `python -m training.prepare --out FOLDER ...` made"
        ) from None
    try:
        found = tuple(_shards(folder, json.loads(text)))
    except NO_INDEX as error:
        raise UserError(
            f"{file}: cannot be read ({type(error).__name__}: {error}); {AGAIN}"
        ) from None
    if not found:
        raise UserError(f"{file}: lists no shards; {AGAIN}")
    if (ids := found[0].vocabulary) > vocabulary:
        raise UserError(
            f"model.vocabulary = {vocabulary}: the tokens in {folder} go up to "
            f"{ids - 1}; write {-(-ids // 64) * 64}"
        )
    return found


def _shards(folder: Path, index: Any) -> Iterator[Shard]:
    vocabulary, named = int(index["vocabulary"]), index["dtype"]
    if named not in TYPES:
        raise ValueError(f"dtype {named!r} is none of {', '.join(TYPES)}")
    seen: set[str] = set()
    for shard in index["shards"]:
        name = str(shard["file"])
        if (place := os.path.normpath(name)) in seen:
            raise ValueError(f"{name} is listed twice")
        seen.add(place)
        tokens, sha256 = int(shard["tokens"]), shard.get("sha256")
        yield Shard(folder / name, tokens, sha256, TYPES[named], vocabulary)
