"""What a checkpoint on disk is made of, and how to tell that it is whole."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
READ_BYTES = 16 * 2**20


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


def committed(path: Path) -> list[int]:
    """Return the steps of the committed checkpoints, newest first."""
    found = (p.name.removeprefix("step-") for p in path.glob("step-*") if p.is_dir())
    return sorted((int(name) for name in found if name.isdigit()), reverse=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a manifest."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        wanted = manifest.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{MANIFEST} cannot be read ({error})") from None
    if seal(manifest) != wanted:
        raise ValueError(f"{MANIFEST} was changed after it was written")
    return manifest


def faults(folder: Path, files: Iterable[tuple[str, dict[str, Any]]], *, full: bool) -> list[str]:
    """Return what is wrong with the files of a checkpoint; `full` reads them all."""
    wrong = []
    for name, wanted in files:
        file = folder / name
        if not file.is_file():
            wrong.append(f"{name} is missing")
        elif (size := file.stat().st_size) != wanted["bytes"]:
            wrong.append(f"{name} holds {size:,} bytes instead of {wanted['bytes']:,}")
        elif full and digest(file)["sha256"] != wanted["sha256"]:
            wrong.append(f"{name} does not match its checksum")
    return wrong
