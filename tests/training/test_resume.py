"""A run that was interrupted is the run that was not."""

import json

import pytest

from tests.training.training_cases import CASES


@pytest.mark.parametrize("dtype", ["fp64", "bf16"])
def test_same_layout_resumes_bit_for_bit(worlds, dtype):
    """Weights, moments, counters, data order and learning rate are all of the state."""
    seen = worlds[4][f"same layout, {dtype}"]
    losses, losses_again = seen["losses"]
    assert seen["step"] == 5
    assert seen["difference"] == 0
    assert losses == losses_again


@pytest.mark.parametrize(
    ("world", "partition", "tensor"), [c for c in CASES if c[2] == 1 or c[1] == c[0]]
)
def test_any_layout_resumes_what_another_wrote(worlds, world, partition, tensor):
    """Four ranks in groups of two wrote it; nodes come and go between jobs."""
    seen = worlds[world][f"resume {partition}x{tensor}"]
    assert seen["from"] == 2
    assert seen["difference"] < 1e-12


def test_damaged_checkpoints_fall_back_and_say_so(worlds, work):
    """One flipped bit and one lost file: the newest whole checkpoint is two before."""
    seen, said = worlds[4]["damage"], worlds[4]["said"]
    assert seen["step"] == 1
    assert seen["left"] == ["step-00000001", "step-00000002.damaged", "step-00000003.damaged"]
    assert "step-00000003 is damaged: __0_0.distcp does not match its checksum; falling" in said
    assert "step-00000002 is damaged: __1_0.distcp is missing; falling back" in said
    record = (work / "damaged-run" / "metrics.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in record]
    assert events.count("checkpoint-damaged") == 4


def test_a_damaged_step_can_be_written_again(worlds):
    assert "step-00000002" in worlds[4]["damage"]["after"]


def test_nothing_whole_is_an_error_and_no_fresh_start(worlds):
    """Starting over in silence would overwrite weeks of work."""
    assert "none of its 4 checkpoints is whole" in worlds[4]["damage"]["all"]
    assert "UserError" in worlds[4]["damage"]["all"]


def test_another_model_is_refused_by_name(worlds):
    assert "model.layers = 3" in worlds[4]["other model"]
    assert "write 2, or another checkpoint.path" in worlds[4]["other model"]


def test_a_refused_checkpoint_does_not_end_the_run(worlds):
    """A full disk is reported; the run goes on and the next checkpoint counts."""
    assert "NO CHECKPOINT was written" in worlds[1]["said"]
    assert "step-00000002" in worlds[1]["refused"]["left"]
    assert "step-00000001" not in worlds[1]["refused"]["left"]
