"""No run starts over, loses a state or ends well in silence."""

import errno
import json
import math
import os
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.alone import Run, met
from training import manifest
from training.checkpoint import Checkpoints
from training.manifest import MANIFEST, digest, read_manifest
from training.problems import NodeError, UserError
from training.trainer import Trainer


@pytest.fixture(scope="module", autouse=True)
def _one_rank():
    with met():
        yield


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(manifest, "PAUSES", (0.0, 0.0))


@pytest.fixture
def run(tmp_path):
    """A run with the checkpoints of steps 10 and 12."""
    found = Run(tmp_path)
    assert found.trained() == 0
    assert found.names == ["step-00000010", "step-00000012"]
    return found


def finish(trainer: Trainer) -> None:
    """Wait for the checkpoint that is being written."""
    assert trainer.checkpoints is not None
    trainer.checkpoints.finish()


def flip(file: Path, at: int = -1) -> None:
    content = bytearray(file.read_bytes())
    content[at if at >= 0 else len(content) // 2] ^= 1
    file.write_bytes(content)


def spoil_manifests(run: Run) -> None:
    for folder in run.checkpoints.iterdir():
        flip(folder / MANIFEST)


def spoil_files(run: Run) -> None:
    for folder in run.checkpoints.iterdir():
        flip(folder / "__0_0.distcp")


def remove_metadata(run: Run) -> None:
    for folder in run.checkpoints.iterdir():
        (folder / ".metadata").unlink()


def remove_ranks_files(run: Run) -> None:
    for folder in run.checkpoints.iterdir():
        (folder / "__0_0.distcp").unlink()


def cut_files(run: Run) -> None:
    for folder in run.checkpoints.iterdir():
        os.truncate(folder / "__0_0.distcp", 4096)


def empty_files(run: Run) -> None:
    for folder in run.checkpoints.iterdir():
        for file in folder.iterdir():
            os.truncate(file, 0)


def set_aside_by_an_older_program(run: Run) -> None:
    for folder in list(run.checkpoints.iterdir()):
        folder.rename(folder.with_suffix(".damaged"))


def named_as_torchtitan_names_its_own(run: Run) -> None:
    for folder in list(run.checkpoints.iterdir()):
        folder.rename(folder.with_name(f"step-{int(folder.name[5:])}"))


@pytest.mark.parametrize(
    "spoil",
    [
        named_as_torchtitan_names_its_own,
        spoil_manifests,
        spoil_files,
        remove_metadata,
        remove_ranks_files,
        cut_files,
        empty_files,
        set_aside_by_an_older_program,
    ],
)
def test_a_run_whose_checkpoints_are_damaged_never_starts_over_by_itself(run, spoil):
    """Not at the second start either, nor at the third."""
    spoil(run)
    before = run.names
    for _ in range(3):
        with pytest.raises(UserError, match="none of its 2 checkpoints is whole") as caught:
            run.trainer()
        assert "write checkpoint.start_anew=true" in str(caught.value)
        assert run.names == before

    anew = run.trainer(checkpoint__start_anew="true", run__steps="4")
    assert anew.step == 0
    assert anew.run() == 0
    assert run.events("starts-anew")
    assert run.trainer(checkpoint__start_anew="true").step == 4, "what is whole is resumed from"


def test_a_damaged_one_is_set_aside_once_a_whole_one_is_loaded(run):
    flip(run.checkpoints / "step-00000012" / "__0_0.distcp")
    assert run.trainer().step == 10
    assert run.names == ["step-00000010", "step-00000012.damaged"]
    assert run.trained(run__steps="12") == 0
    flip(run.checkpoints / "step-00000012" / "__0_0.distcp")
    assert run.trainer().step == 10
    assert run.names == [
        "step-00000010",
        "step-00000012.damaged",
        "step-00000012.damaged-2",
    ], "nothing that was kept is thrown away"


@pytest.mark.parametrize("verify", ["true", "false"])
def test_a_checkpoint_under_another_steps_name_is_none_of_that_step(run, verify):
    """A folder that was copied, as whoever restores one from a replica may do."""
    shutil.copytree(run.checkpoints / "step-00000010", run.checkpoints / "step-00000014")
    assert run.trainer(checkpoint__verify=verify).step == 12
    (damaged,) = run.events("checkpoint-damaged")
    assert "manifest.json is of step 10" in damaged["text"]


def test_damage_that_nobody_looked_for_ends_in_a_sentence(run):
    """Without checksums it is found as it is loaded."""
    content = bytearray((run.checkpoints / "step-00000012" / "__0_0.distcp").read_bytes())
    content[:] = bytes(len(content))
    (run.checkpoints / "step-00000012" / "__0_0.distcp").write_bytes(content)
    with pytest.raises(UserError, match=r"step-00000012 does not load .*write checkpoint.verify=t"):
        run.trainer(checkpoint__verify="false")
    assert run.trainer().step == 10


class Failing:
    """What fails with an error of the file system, so many times, where a path has a name."""

    def __init__(self, real, name: str, times: float, number: int = errno.EIO) -> None:
        self.real, self.name, self.left, self.number = real, name, times, number

    def __call__(self, path, *args, **kwargs):
        if self.left and str(path).endswith(self.name):
            self.left -= 1
            raise OSError(self.number, "Input/output error", str(path))
        return self.real(path, *args, **kwargs)

    def method(self):
        """Return it as a function, which a class makes a method of."""

        def call(path, *args, **kwargs):
            return self(path, *args, **kwargs)

        return call


def failing_manifest(monkeypatch, times):
    patched = Failing(Path.read_bytes, f"step-00000012/{MANIFEST}", times)
    monkeypatch.setattr(Path, "read_bytes", patched.method())


def failing_file(monkeypatch, times):
    monkeypatch.setattr(manifest, "digest", Failing(digest, "step-00000012/__0_0.distcp", times))


def failing_size(monkeypatch, times):
    patched = Failing(Path.stat, "step-00000012/__0_0.distcp", times, errno.ESTALE)
    monkeypatch.setattr(Path, "stat", patched.method())


def failing_folder(monkeypatch, times):
    monkeypatch.setattr("os.listdir", Failing(os.listdir, "/checkpoints", times))


@pytest.mark.parametrize("fail", [failing_manifest, failing_file, failing_size, failing_folder])
def test_a_file_system_that_fails_takes_no_checkpoint_out(run, monkeypatch, fail):
    """Once, it is asked again; for good, the run ends for the scheduler to try again."""
    with monkeypatch.context() as for_once:
        fail(for_once, 2)
        assert run.trainer().step == 12
    with monkeypatch.context() as for_good:
        fail(for_good, math.inf)
        with pytest.raises(NodeError, match=r"cannot be read now .*Input/output error"):
            run.trainer()
    assert run.names == ["step-00000010", "step-00000012"]
    assert run.trainer().step == 12


def spoiled_from(trainer, step: int, *, until: float = math.inf) -> None:
    """Have losses, and so gradients, that are no numbers from a step on."""
    real = trainer.sharded.module.forward

    def forward(*args):
        loss = real(*args)
        return loss * math.nan if step <= trainer.step + 1 < until else loss

    trainer.sharded.module.forward = forward


def test_a_run_that_no_longer_learns_ends_and_keeps_what_it_had(tmp_path):
    run = Run(tmp_path)
    trainer = run.trainer(run__steps="60", run__most_skipped="5")
    spoiled_from(trainer, 8)
    assert trainer.run() == 65
    assert trainer.step == 12
    assert run.names == ["step-00000004", "step-00000006"]
    assert run.record()[-1]["event"] == "diverged"
    assert "5 of the last 12 steps had no finite gradient" in run.record()[-1]["text"]
    assert "the newest checkpoint is of step 6" in run.record()[-1]["text"]


def test_a_checkpoint_waits_for_a_sound_step(tmp_path):
    """A single bad batch costs no interval, and no checkpoint is of the step that had it."""
    run = Run(tmp_path)
    trainer = run.trainer()
    spoiled_from(trainer, 4, until=7)
    assert trainer.run() == 0
    assert [event["step"] for event in run.events("checkpoint")] == [2, 7, 8, 10, 12]
    assert [event["step"] for event in run.events("checkpoint-withheld")] == [4, 6]


def test_a_last_step_without_a_gradient_is_not_written_and_not_taken_for_done(tmp_path):
    run = Run(tmp_path)
    trainer = run.trainer()
    spoiled_from(trainer, 12)
    assert trainer.run() == 65
    assert run.names == ["step-00000008", "step-00000010"]
    assert run.trained(run__steps="13") == 0, "the way that the message names"


def test_a_state_that_is_not_finite_replaces_nothing(tmp_path):
    """A weight overflows by an update whose gradient was finite: no norm shows it in time."""
    run = Run(tmp_path)
    assert run.trained(run__steps="4") == 0
    trainer = run.trainer()
    next(iter(trainer.optimizer.masters.values())).view(-1)[0] = math.inf
    trainer.step = 6
    trainer._save()
    finish(trainer)
    assert run.names == ["step-00000002", "step-00000004"]
    assert "holds values that are not finite" in run.events("checkpoint-failed")[0]["text"]


def test_saves_that_fail_in_a_row_end_the_run(tmp_path, monkeypatch):
    run = Run(tmp_path)
    failed = {"error": "rank 0: OSError: No space left on device"}
    monkeypatch.setattr(Checkpoints, "_files", lambda *_: failed)
    assert run.trained(run__steps="60") == 74
    assert len(run.events("checkpoint-failed")) == 4, "three, and a last one at the end"
    assert run.record()[-1]["event"] == "unsaved"
    assert run.trained(run__steps="12", checkpoint__most_failures="0") == 74
    assert len(run.events("checkpoint-failed")) == 10


def test_a_save_that_goes_well_forgives_those_that_did_not(tmp_path, monkeypatch):
    run = Run(tmp_path)
    real, calls = Checkpoints._files, []

    def sometimes(self, partial):
        calls.append(partial)
        return real(self, partial) if len(calls) % 3 == 0 else {"error": "rank 0: OSError: full"}

    monkeypatch.setattr(Checkpoints, "_files", sometimes)
    assert run.trained() == 0
    assert len(run.events("checkpoint-failed")) == 4


def test_the_line_of_a_step_is_on_the_disk_before_its_checkpoint(tmp_path, monkeypatch):
    """Whoever dies right after a commit has lost nothing that nobody writes again."""
    run = Run(tmp_path)
    seen = []
    real = Checkpoints._commit

    def commit(self, partial, final, content):
        seen.append((content["step"], run.steps()[-1]))
        real(self, partial, final, content)

    monkeypatch.setattr(Checkpoints, "_commit", commit)
    assert run.trained() == 0
    assert [step for step, _ in seen] == [2, 4, 6, 8, 10, 12]
    assert all(line >= step for step, line in seen)


def test_what_a_manifest_says_is_what_is_on_the_disk(run):
    """It is hashed while it is written, from memory: reading it must come to the same."""
    folder = run.checkpoints / "step-00000012"
    files = read_manifest(folder)["files"]
    assert sorted(files) == [".metadata", "__0_0.distcp"]
    assert {name: digest(folder / name) for name in files} == files


def test_two_runs_in_one_folder_do_not_replace_each_other(run):
    trainer = run.trainer()
    trainer._save()
    finish(trainer)
    assert "another run writes there" in run.events("checkpoint-failed")[0]["text"]
    assert run.names == ["step-00000010", "step-00000012"]


def test_other_tokens_are_noticed_when_a_run_goes_on(run):
    shard = run.folder / "tokens" / "tokens-00000.npy"
    index = run.folder / "tokens" / "index.json"
    flip(shard, 1000)
    said = json.loads(index.read_text())
    said["shards"][0]["sha256"] = digest(shard)["sha256"]
    index.write_text(json.dumps(said))
    assert run.trained(run__steps="14") == 0
    (differs,) = run.events("resume-differs")
    assert differs["setting"] == "tokens of data.path"
    assert run.trained(run__steps="16") == 0
    assert len(run.events("resume-differs")) == 1, "the newer checkpoint was written with these"


def test_a_resumed_run_repeats_every_bit(tmp_path):
    whole, parts = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    assert whole.trained() == 0
    assert parts.trained(run__steps="6", checkpoint__every="6") == 0
    assert parts.trained() == 0
    ends = [run.trainer().optimizer.state() for run in (whole, parts)]
    for name, value in ends[0].items():
        other = ends[1][name]
        assert torch.equal(
            getattr(value, "_local_tensor", value), getattr(other, "_local_tensor", other)
        )
