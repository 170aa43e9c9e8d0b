"""torchtitan's checkpoints, of which a damaged or unwritten one is never passed over in silence."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchtitan.components.checkpointer import CheckpointManager

from training.launch.contract import committed
from training.manifest import of_the_moment
from training.problems import NodeError, UserError, failed, first_line
from training.record import Teller


class Checkpoints(CheckpointManager):
    """torchtitan's own manager, with a record of what became of each checkpoint."""

    @dataclass(kw_only=True, slots=True)
    class Config(CheckpointManager.Config):
        """torchtitan's own, and who is told."""

        record: Teller

    def __init__(self, config: Config, **given: Any) -> None:
        super().__init__(config, **given)
        self.record = config.record
        self.written = 0
        """Step of the newest checkpoint that is whole."""
        self.writing = 0
        self.forced = False

    def writes(self) -> bool:
        """Whether a checkpoint is being written."""
        return self.save_future is not None and not self.save_future.done()

    def settle(self) -> None:
        """Say what became of a checkpoint as soon as it is known; waits for nothing."""
        if self.save_future is not None and self.save_future.done():
            self._wait_for_saving()

    def now(self, step: int) -> bool:
        """Write the state of a step, and return whether that succeeded."""
        self.record.pause()
        if step in {self.written, self.writing}:
            self.maybe_wait_for_saving()
        if self.written != step:
            self.forced = True
            self.save(step)
            self.maybe_wait_for_saving()
            self.forced = False
        return self.written == step

    def _should_save(self, curr_step: int, last_step: bool = False) -> bool:  # noqa: FBT001, FBT002
        # The run writes its last step by `now`, so that a failure becomes an exit status.
        return self.forced or (not last_step and super()._should_save(curr_step))

    def _save(self, curr_step: int, last_step: bool = False) -> bool:  # noqa: FBT001, FBT002
        if self._should_save(curr_step, last_step):
            self.record.pause()
        try:
            began = super()._save(curr_step, last_step)
        except Exception as error:  # noqa: BLE001 - a full disk is no reason to end a healthy run
            self._failed(curr_step, error)
            return False
        if began:
            self.writing = curr_step
        return began

    def _wait_for_saving(self) -> None:
        step, self.writing = self.writing, 0
        try:
            super()._wait_for_saving()
        except Exception as error:  # noqa: BLE001 - as above
            self.save_future = None
            self._failed(step, error)
        else:
            self.written = step
            self.record.event("checkpoint", f"step {step}: checkpoint written", step=step)

    def _failed(self, step: int, error: Exception) -> None:
        why = first_line(failed(0, error)[1])
        text = f"step {step}: NO CHECKPOINT was written ({why}); the one before stays the newest"
        self.record.event("checkpoint-failed", text, step=step)

    def _load(self, step: int = -1) -> bool:
        """Load the newest checkpoint that can be read.

        Raises:
            UserError: If there are checkpoints and none of them can be: the run never starts over.
            NodeError: If the file system fails, which says nothing of a checkpoint.
        """
        there = committed(Path(self.folder)) if step < 0 else [step]
        for each in there:
            try:
                super()._load(each)
            except Exception as error:  # noqa: BLE001 - DCP raises its own kinds, on all ranks
                why = first_line(failed(0, error)[1])
                text = f"checkpoint of step {each} cannot be read ({why})"
                if of_the_moment(error):
                    fix = "start again when the file system answers"
                    raise NodeError(f"{text} now; {fix}") from None
                self.record.event("checkpoint-damaged", text, step=each)
                continue
            self.written = each
            return True
        if there:
            raise UserError(
                f"{self.folder}: holds {len(there)} checkpoints, and none of them can be read; "
                "mend them, or name another checkpoint.path to start anew"
            )
        return super()._load(step)
