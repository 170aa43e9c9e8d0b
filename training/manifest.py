"""What a checkpoint on disk is made of, and how to tell that it is whole."""

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

MANIFEST = "manifest.json"
READ_BYTES = 16 * 2**20
GONE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
)
"""What a file system says of a file that is not there, or is none. Whatever else it says (EIO,
ESTALE, ETIMEDOUT) is of the file system, and says nothing of what the file holds."""
PAUSES: Final = (1.0, 5.0)
"""Seconds before reading again what could not be read."""

Result = TypeVar("Result")


class UnreadableError(Exception):
    """A file that cannot be read now: nobody knows whether it is whole."""


def of_the_moment(error: BaseException) -> bool:
    """Whether an error, or any rank's in one of torch's, says nothing of what a file holds."""
    failures: dict[int, Any] = getattr(error, "failures", None) or {0: (error,)}
    return any(
        isinstance(each, OSError) and each.errno not in GONE for each, *_ in failures.values()
    )


def patiently(action: Callable[[], Result]) -> Result:
    """Return what an action reads; where the file system fails, try again after each pause.

    Raises:
        UnreadableError: If it fails each time.
        OSError: If what it reads is not there.
    """
    for pause in (*PAUSES, None):
        try:
            return action()
        except OSError as error:
            if error.errno in GONE:
                raise
            if pause is None:
                raise UnreadableError(f"{error.filename}: {error.strerror}") from error
            time.sleep(pause)
    raise AssertionError("the last pause is None")


def digest(path: Path) -> dict[str, Any]:
    """Return size in bytes and SHA-256 of a file."""
    total, state = 0, hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            total += len(chunk)
            state.update(chunk)
    return {"bytes": total, "sha256": state.hexdigest()}


def seal(content: dict[str, Any]) -> str:
    """Return a manifest's own digest."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def folder_of(path: Path, step: int) -> Path:
    """Return where the checkpoint of a step is committed."""
    return path / f"step-{step:08d}"


def _named(path: Path, pattern: str) -> list[re.Match[str]]:
    """Return what of a folder has such a name; nothing where there is no folder."""
    try:
        # Not glob(), which takes a folder that cannot be read for an empty one.
        names = patiently(lambda: os.listdir(path))  # noqa: PTH208 - names are all that is needed
    except OSError:
        return []
    return [found for name in names if (found := re.fullmatch(pattern, name))]


def committed(path: Path) -> list[int]:
    """Return the steps of the committed checkpoints, newest first.

    Raises:
        UnreadableError: If the folder is there and cannot be read.
    """
    named = {found[0]: int(found[1]) for found in _named(path, r"step-(\d+)")}
    # Of `step-7`, as torchtitan names its own, nothing is read, and nothing is deleted for it.
    mine = [step for name, step in named.items() if name == folder_of(path, step).name]
    return sorted(mine, reverse=True)


def damaged(path: Path) -> list[str]:
    """Return what there is of checkpoints beside those that are committed.

    Those that were found damaged and set aside, and those that have another program's names.
    """
    mine = {folder_of(path, step).name for step in committed(path)}
    names = {found[0] for found in _named(path, r"step-\d+(\.damaged.*)?")}
    return sorted(names - mine)


def set_aside(folder: Path) -> None:
    """Give a damaged checkpoint another name, and keep what had that name before."""
    aside, number = folder.with_suffix(".damaged"), 1
    while aside.exists():
        number += 1
        aside = folder.with_suffix(f".damaged-{number}")
    folder.rename(aside)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a manifest.

    Raises:
        ValueError: If it is damaged.
        UnreadableError: If it cannot be read now.
    """
    try:
        text = patiently((folder / MANIFEST).read_bytes)
        manifest: dict[str, Any] = json.loads(text)
        wanted = manifest.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"{MANIFEST} cannot be read ({error})") from None
    if seal(manifest) != wanted:
        raise ValueError(f"{MANIFEST} was changed after it was written")
    if folder_of(folder.parent, manifest["step"]) != folder:
        raise ValueError(f"{MANIFEST} is of step {manifest['step']}: it was copied from elsewhere")
    return manifest


def fault(file: Path, wanted: dict[str, Any], *, full: bool) -> str | None:
    """Return what is wrong with a file of a checkpoint; `full` reads it.

    Raises:
        UnreadableError: If it cannot be read now.
    """
    try:
        size = patiently(file.stat).st_size
        if size != wanted["bytes"]:
            return f"{file.name} holds {size:,} bytes instead of {wanted['bytes']:,}"
        if full and patiently(lambda: digest(file))["sha256"] != wanted["sha256"]:
            return f"{file.name} does not match its checksum"
    except OSError:
        return f"{file.name} is missing"
    return None
