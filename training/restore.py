"""A run's state filled from the newest checkpoint that is whole."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict_loader import load

from training.manifest import committed, faults, folder_of, read_manifest
from training.problems import UserError

Say = Callable[..., None]


def restored(
    path: Path,
    group: Any,
    state: dict[str, Tensor],
    model: dict[str, Any],
    *,
    verify: bool,
    say: Say,
) -> dict[str, Any] | None:
    """Fill the state from the newest checkpoint that is whole.

    A damaged one is reported, set aside under another name, and the one before it is tried.

    Args:
        path: Folder of the checkpoints; every rank makes the same call.
        group: A gloo group of all ranks.
        state: Tensors to fill, laid out in any way.
        model: The shape of the model, which the checkpoint's must equal.
        verify: Read files against their checksums, rather than only compare their sizes.
        say: Called with a name, a sentence and values; for the record of the run.

    Returns:
        The manifest of the checkpoint, or None where there is none.
    """
    steps: list[Any] = [committed(path) if dist.get_rank(group) == 0 else None]
    dist.broadcast_object_list(steps, src=0, group=group)
    for step in steps[0]:
        folder = folder_of(path, step)
        manifest, wrong = _examine(folder, group, full=verify)
        if wrong:
            say(
                "checkpoint-damaged",
                f"checkpoint {folder} is damaged: "
                f"{'; '.join(wrong[:3])}; falling back to the one before it",
                step=step,
            )
            if dist.get_rank(group) == 0:
                aside = folder.with_suffix(".damaged")
                shutil.rmtree(aside, ignore_errors=True)
                folder.rename(aside)
            continue
        _refuse_other_model(folder, manifest["facts"].get("model", model), model)
        reader = FileSystemReader(folder)
        load(state, storage_reader=reader, process_group=group)
        say("resume", f"resumed from {folder}", step=step)
        return manifest
    if steps[0]:
        raise UserError(
            f"checkpoint.path = {path}: none of its {len(steps[0])} checkpoints is whole; "
            "restore one from its replica, or write another checkpoint.path to begin anew"
        )
    return None


def _examine(folder: Path, group: Any, *, full: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the manifest and the faults of all files, each looked at by one rank."""
    wrong: list[str] = []
    manifest: dict[str, Any] = {}
    try:
        manifest = read_manifest(folder)
        mine = sorted(manifest["files"].items())[dist.get_rank(group) :: dist.get_world_size(group)]
        wrong = faults(folder, mine, full=full)
    except ValueError as error:
        wrong = [str(error)]
    found: list[list[str]] = [[] for _ in range(dist.get_world_size(group))]
    dist.all_gather_object(found, wrong, group=group)
    return manifest, sorted({fault for part in found for fault in part})


def _refuse_other_model(folder: Path, saved: dict[str, Any], model: dict[str, Any]) -> None:
    differing = [name for name in model if saved.get(name) != model[name]]
    if differing:
        lines = [
            f"model.{name} = {model[name]!r}: {folder} holds {saved.get(name)!r}; write "
            f"{saved.get(name)!r}, or another checkpoint.path"
            for name in differing
        ]
        raise UserError("\n".join(lines))
