"""Write tokens that `training.train` can read.

From text files, one token per byte and an end-of-document token after each file:

    python -m training.prepare --out tokens --text book.txt notes/*.md

From ids that any tokenizer made, one `.npy` array per document or per corpus:

    python -m training.prepare --out tokens --ids corpus/*.npy --vocabulary 50257

From the Python documentation that ships with Python, 0.7 MB, to try things out:

    python -m training.prepare --out tokens --sample
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from pydoc_data import topics
from typing import Any

import numpy as np
import numpy.typing as npt

from training.manifest import digest
from training.problems import UserError
from training.record import say
from training.tokens import INDEX, TYPES

END_OF_DOCUMENT = 256
BYTE_VOCABULARY = 257
"""256 bytes and the end of a document."""
SHARD_TOKENS = 100_000_000
"""200 MB in uint16: large enough for Lustre to stripe, small enough to copy again."""


def encode(text: bytes) -> npt.NDArray[np.int64]:
    """Return one id per byte, and the end of the document."""
    return np.append(np.frombuffer(text, dtype=np.uint8).astype(np.int64), END_OF_DOCUMENT)


def sample() -> Iterator[npt.NDArray[np.int64]]:
    """Yield the topics of Python's own help, as tokens."""
    for name in sorted(topics.topics):
        yield encode(topics.topics[name].encode())


def read_text(path: Path) -> npt.NDArray[np.int64]:
    """Return a file as tokens."""
    try:
        return encode(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"--text {path}: cannot be read ({error.strerror}); write the path of a text file"
        ) from None


def read_ids(path: Path) -> npt.NDArray[np.int64]:
    """Return the ids of one `.npy` file."""
    try:
        ids: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"--ids {path}: cannot be read ({error}); write a .npy file") from None
    if not isinstance(ids, np.ndarray):
        raise UserError(f"--ids {path}: is an archive of arrays; write the .npy file of each")
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise UserError(
            f"--ids {path}: holds {ids.dtype} of shape {ids.shape}; write one row of integers"
        )
    return ids


def write(
    out: Path,
    documents: Iterable[npt.NDArray[np.int64]],
    *,
    vocabulary: int,
    shard_tokens: int = SHARD_TOKENS,
) -> dict[str, Any]:
    """Write documents as shards and return the index.

    The index is written last: a folder without it was never finished.
    """
    if shard_tokens < 1:
        raise UserError(f"--shard-tokens {shard_tokens}: a shard holds tokens; write 1 or more")
    try:
        out.mkdir(parents=True, exist_ok=True)
        used = any(out.iterdir())
    except OSError as error:
        raise UserError(
            f"--out {out}: cannot be written ({error.strerror}); write a new folder"
        ) from None
    if used:
        raise UserError(f"--out {out}: is not empty; write a new folder")
    name_of_kind = "uint16" if vocabulary <= np.iinfo(np.uint16).max + 1 else "uint32"
    kind = TYPES[name_of_kind]
    shards: list[dict[str, Any]] = []
    waiting: list[npt.NDArray[Any]] = []
    held = 0

    def flush(size: int) -> None:
        nonlocal waiting, held
        tokens = np.concatenate(waiting)
        name = f"tokens-{len(shards):05d}.npy"
        np.save(out / name, tokens[:size])
        shards.append({"file": name, "tokens": size, "sha256": digest(out / name)["sha256"]})
        waiting, held = [tokens[size:]], held - size

    for document in documents:
        if document.size and not 0 <= int(document.min()) <= int(document.max()) < vocabulary:
            least, most = int(document.min()), int(document.max())
            fix = f"write {most + 1} or more" if least >= 0 else "ids begin at 0; mend the document"
            raise UserError(
                f"--vocabulary {vocabulary}: a document holds ids from {least} to {most}; {fix}"
            )
        waiting.append(document.astype(kind))
        held += document.size
        while held >= shard_tokens:
            flush(shard_tokens)
    if held:
        flush(held)
    if not shards:
        raise UserError("there is no text in what was given; write files that hold some")
    index = {"vocabulary": vocabulary, "dtype": name_of_kind, "shards": shards}
    (out / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return index


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", type=Path, nargs="+", help="files, one token per byte")
    source.add_argument("--ids", type=Path, nargs="+", help=".npy files of token ids")
    source.add_argument("--sample", action="store_true", help="text that ships with Python")
    parser.add_argument("--vocabulary", type=int, default=BYTE_VOCABULARY, help="for --ids")
    parser.add_argument("--shard-tokens", type=int, default=SHARD_TOKENS)
    given = parser.parse_args(arguments)
    documents: Iterable[npt.NDArray[np.int64]]
    try:
        if given.sample:
            documents = sample()
        elif given.text:
            documents = map(read_text, given.text)
        else:
            documents = map(read_ids, given.ids)
        index = write(
            given.out, documents, vocabulary=given.vocabulary, shard_tokens=given.shard_tokens
        )
    except UserError as error:
        say(str(error), sys.stderr)
        return 2
    except OSError as error:
        say(f"--out {given.out}: cannot be written ({error.strerror}); make room", sys.stderr)
        return 2
    tokens = sum(shard["tokens"] for shard in index["shards"])
    say(f"{given.out}: {tokens:,} tokens in {len(index['shards'])} shards")
    return 0


if __name__ == "__main__":
    sys.exit(main())
