"""Files that are hashed while they are written: disk, hash and what comes next work side by side.

What is hashed is what was meant to be written, from memory. Reading a file again straight after
writing it comes from the page cache and says nothing of the disk; resuming reads it against the
hash.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from torch.distributed.checkpoint.filesystem import FileSystem

SMALL: Final = 2**18
"""Bytes from which on one thread hashes what another writes."""
EARLY: Final = 64 * 2**20
"""Bytes after which the disk is asked to begin, rather than when everything is written."""


class HashedFile(io.RawIOBase):
    """A new file, its size and its SHA-256."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=0)
        self.state, self.bytes, self.asked = hashlib.sha256(), 0, 0
        self.threads = ThreadPoolExecutor(2)
        self.flush_begun: Future[None] | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.file.fileno()

    def tell(self) -> int:
        return self.bytes

    def write(self, data: Any, /) -> int:
        """Write and hash bytes.

        Raises:
            OSError: If they cannot be written, or those before them did not reach the disk.
        """
        whole = rest = memoryview(data).cast("B")
        if len(whole) < SMALL:
            # Heads of a file's parts: handing them to a thread takes longer than hashing them.
            self.state.update(whole)
            hashed = None
        else:
            hashed = self.threads.submit(self.state.update, whole)
        try:
            while rest:
                written = self.file.write(rest[:EARLY])
                self.bytes += written
                rest = rest[written:]
                self._begin_flush()
        finally:
            if hashed:
                hashed.result()
        return len(whole)

    def _begin_flush(self) -> None:
        if self.bytes - self.asked < EARLY or (self.flush_begun and not self.flush_begun.done()):
            return
        if self.flush_begun:
            self.flush_begun.result()
        self.asked = self.bytes
        self.flush_begun = self.threads.submit(os.fdatasync, self.fileno())

    def close(self) -> None:
        if not self.closed:
            self.threads.shutdown()
            self.file.close()
        super().close()

    def digest(self) -> dict[str, Any]:
        """Return what a manifest says of the file."""
        return {"bytes": self.bytes, "sha256": self.state.hexdigest()}


class HashingFileSystem(FileSystem):
    """What torch.distributed.checkpoint writes to; remembers the digest of every file by name."""

    def __init__(self) -> None:
        self.digests: dict[str, dict[str, Any]] = {}

    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Iterator[io.IOBase]:
        """Open a file, for writing as a hashed one."""
        if mode != "wb":
            with super().create_stream(path, mode) as plain:
                yield plain
            return
        with HashedFile(Path(path)) as stream:
            yield stream
            self.digests[Path(path).name] = stream.digest()
