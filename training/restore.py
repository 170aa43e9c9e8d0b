"""A run's state filled from the newest checkpoint that is whole.

Nothing is renamed before a whole one was loaded: where none is, the folder stays as it was found,
and every further start refuses as the first one did. A file that cannot be read is not damaged:
the run then ends for the scheduler to try again, instead of going on from an older state beside a
newer one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict_loader import load

from training.manifest import (
    UnreadableError,
    committed,
    damaged,
    fault,
    folder_of,
    of_the_moment,
    read_manifest,
    set_aside,
)
from training.problems import NodeError, UserError, first_line
from training.settings import CheckpointSettings

Say = Callable[..., None]


def restored(
    settings: CheckpointSettings,
    group: Any,
    state: dict[str, Tensor],
    model: dict[str, Any],
    say: Say,
) -> dict[str, Any] | None:
    """Fill the state from the newest checkpoint that is whole.

    Args:
        settings: Of the checkpoints; every rank makes the same call.
        group: A gloo group of all ranks.
        state: Tensors to fill, laid out in any way.
        model: The shape of the model, which the checkpoint's must equal.
        say: Called with a name, a sentence and values; for the record of the run.

    Returns:
        The manifest of the checkpoint, or None where there is none.

    Raises:
        UserError: If checkpoints are there and none is whole, or they are of another model.
        NodeError: If a checkpoint cannot be read now.
    """
    path = Path(str(settings.path))
    steps, before = _listed(path, group)
    wrong: dict[int, str] = {}
    for step in steps:
        folder = folder_of(path, step)
        manifest, found = _examine(folder, group, full=settings.verify)
        if found:
            wrong[step] = "; ".join(found[:3])
            say(
                "checkpoint-damaged",
                f"checkpoint {folder} is damaged: {wrong[step]}; falling back to the one before it",
                step=step,
            )
            continue
        _refuse_other_model(folder, manifest["facts"].get("model", model), model)
        _load(folder, state, group)
        _set_aside(path, wrong, group)
        say("resume", f"resumed from {folder}", step=step)
        return manifest
    if not wrong and not before:
        return None
    if not settings.start_anew:
        known = [f"{folder_of(path, step).name}: {words}" for step, words in wrong.items()]
        known += [f"{name}: set aside, or of another program" for name in before]
        raise UserError(
            f"checkpoint.path = {path}: none of its {len(known)} checkpoints is whole "
            f"({', '.join(known[:4])}); restore one from its replica, or write "
            "checkpoint.start_anew=true to begin at step 0"
        )
    _set_aside(path, wrong, group)
    say(
        "starts-anew",
        f"begins at step 0 as checkpoint.start_anew says: {path} holds damaged checkpoints only",
    )
    return None


def _load(folder: Path, state: dict[str, Tensor], group: Any) -> None:
    try:
        load(state, storage_reader=FileSystemReader(folder), process_group=group)
    except CheckpointException as error:  # raised on all ranks alike
        words = [f"rank {rank}: {first_line(e)}" for rank, (e, _) in error.failures.items()]
        if of_the_moment(error):
            raise _unreadable(folder, words) from None
        raise UserError(
            f"{folder} does not load ({'; '.join(words[:3])}); write checkpoint.verify=true, which "
            "finds what is damaged and takes the one before it"
        ) from None


def _listed(path: Path, group: Any) -> tuple[list[int], list[str]]:
    """Return what rank 0 finds: steps that are committed, and names of damaged checkpoints."""
    found: list[Any] = [None]
    if dist.get_rank(group) == 0:
        try:
            found = [(committed(path), damaged(path))]
        except UnreadableError as error:
            found = [str(error)]
    dist.broadcast_object_list(found, src=0, group=group)
    if isinstance(found[0], str):
        raise _unreadable(path, found)
    steps, before = found[0]
    return steps, before


def _set_aside(path: Path, wrong: dict[int, str], group: Any) -> None:
    if dist.get_rank(group) == 0:
        for step in wrong:
            set_aside(folder_of(path, step))


def _unreadable(folder: Path, errors: list[str]) -> NodeError:
    return NodeError(
        f"{folder} cannot be read now ({'; '.join(errors[:3])}), and nothing says that it is "
        "damaged; start again when the file system answers, or move it away to go on from the one "
        "before it"
    )


def _examine(folder: Path, group: Any, *, full: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the manifest and the faults of all files, each looked at by one rank."""
    rank, ranks = dist.get_rank(group), dist.get_world_size(group)
    wrong: list[str] = []
    unreadable: list[str] = []
    manifest: dict[str, Any] = {}
    try:
        manifest = read_manifest(folder)
        mine = sorted(manifest["files"].items())[rank::ranks]
        looked = (fault(folder / name, wanted, full=full) for name, wanted in mine)
        wrong = [each for each in looked if each]
    except ValueError as error:
        wrong = [str(error)]
    except UnreadableError as error:
        unreadable = [f"rank {rank}: {error}"]
    found: list[Any] = [None] * ranks
    dist.all_gather_object(found, (wrong, unreadable), group=group)
    if errors := [error for _, part in found for error in part]:
        raise _unreadable(folder, errors)
    return manifest, sorted({fault for part, _ in found for fault in part})


def _refuse_other_model(folder: Path, saved: dict[str, Any], model: dict[str, Any]) -> None:
    lines = [
        f"model.{name} = {value!r}: {folder} holds {saved.get(name)!r}; write "
        f"{saved.get(name)!r}, or another checkpoint.path"
        for name, value in model.items()
        if saved.get(name) != value
    ]
    if lines:
        raise UserError("\n".join(lines))


def say_differences(facts: dict[str, Any], order: dict[str, Any], say: Say) -> None:
    """Say where the data goes on otherwise than in the run that wrote a checkpoint.

    Args:
        facts: The checkpoint's.
        order: What decides which sequences come next, as it is now.
        say: Called with a name, a sentence and values.
    """
    before = facts.get("order", {})
    for name, value in order.items():
        if before.get(name, value) != value:
            say(
                "resume-differs",
                f"{name} = {value}: it was {before[name]} when the checkpoint was written; "
                "from here on sequences come in another order, and some again",
                setting=name,
                was=before[name],
            )
