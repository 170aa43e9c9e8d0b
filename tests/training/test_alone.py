"""One GPU without FSDP2 is one GPU with it: results, state, checkpoints, to the bit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule

from tests.training.world import finish, settings_for, steps, whole
from training import sharding
from training.mesh import Launch
from training.trainer import Trainer

CASES: dict[str, dict[str, str]] = {
    "fp64": {"numerics__dtype": "fp64"},
    "fp64, four micro-steps": {"numerics__dtype": "fp64", "data__micro_batch": "4"},
    "fp32, rotary": {"numerics__dtype": "fp32", "model__positions": "rotary"},
    "bf16": {"numerics__dtype": "bf16"},
    "bf16, recomputed": {"numerics__dtype": "bf16", "numerics__checkpoint_every": "1"},
}


@pytest.fixture(autouse=True)
def group() -> Iterator[None]:
    """A process group of one, as the command makes it."""
    Launch().join()
    yield
    dist.destroy_process_group()


def trainer(work: Path, *, plain: bool, patch: pytest.MonkeyPatch, **changes: str) -> Trainer:
    """Return a run of one process, whose steps have one micro-step, with FSDP2 or without."""
    with patch.context() as inner:
        if not plain:
            inner.setattr(sharding, "is_alone", lambda *_, **__: False)
        made = Trainer(settings_for(work, **{"data__micro_batch": "16", **changes}), Launch())
    assert isinstance(made.sharded.module, FSDPModule) is not plain
    return made


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("case", CASES)
def test_leaving_fsdp2_out_changes_no_bit(work: Path, monkeypatch: pytest.MonkeyPatch, case: str):
    """There is nobody to gather from: all it does on one GPU is to copy."""
    one, other = (
        trainer(work, plain=plain, patch=monkeypatch, **CASES[case]) for plain in (True, False)
    )
    start = whole(one)

    assert equal(start, whole(other))
    assert steps(one, 4) == steps(other, 4)
    assert equal(whole(one), whole(other))
    assert equal(one.optimizer.state(), other.optimizer.state())
    assert not equal(start, whole(one))


def test_bf16_gradients_of_several_micro_steps_still_add_up_in_fp32(work: Path):
    """That is FSDP2's work, on one GPU as on many."""
    run = Trainer(settings_for(work, numerics__dtype="bf16", data__micro_batch="4"), Launch())

    assert isinstance(run.sharded.module, FSDPModule)


@pytest.mark.parametrize("plain", [True, False])
def test_each_resumes_what_the_other_wrote(
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plain: bool,  # noqa: FBT001
):
    """Older runs go on, and so do runs that get more GPUs."""
    changes = {"checkpoint__path": str(tmp_path), "numerics__dtype": "bf16"}
    first = trainer(work, plain=plain, patch=monkeypatch, **changes)
    steps(first, 2)
    first._save()
    losses = steps(first, 2)
    finish(first)

    again = trainer(work, plain=not plain, patch=monkeypatch, **changes)
    assert again.step == 2
    assert steps(again, 2) == losses
    assert equal(whole(first), whole(again))
