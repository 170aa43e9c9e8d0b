"""Runs the stages of an acceptance: asks before each, stops at the first failure, cleans up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ultracluster.accept import end, faults, login, network, nodes, sagemaker
from ultracluster.accept.journal import Entry, clean_up
from ultracluster.accept.scene import Scene, Stage, Step, said
from ultracluster.aws import CloudError
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, CommandError

STAGES: Final = tuple(each.STAGE for each in (network, login, sagemaker, nodes, faults, end))
"""Cheap before dear (docs/first-hour.md)."""
PASS: Final = "pass"  # noqa: S105  (no password)
FAIL: Final = "FAIL"
NOT_SHOWN: Final = "not shown"
NO_ANSWER: Final = "no answer"
VERDICTS: Final = {True: PASS, False: FAIL, None: NOT_SHOWN}
STOPPING: Final = (FAIL, NO_ANSWER)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """How one step came out."""

    stage: str
    step: str
    wanted: str
    measured: str
    verdict: str
    commands: tuple[str, ...]
    settles: tuple[str, ...]
    seconds: float = 0.0


@dataclass
class Session:
    """What was measured so far."""

    scene: Scene
    say: Say
    consents: Callable[[str], bool]
    """Whether the person agrees to a stage."""
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)
    """What could not be taken away."""

    def run(self, stages: Sequence[Stage]) -> None:
        """Run stages until one fails or is declined; take away what was made in any case."""
        try:
            for stage in stages:
                if not self._stage(stage):
                    break
        except KeyboardInterrupt:
            self._note("interrupted; what was made is being taken away")
            raise
        finally:
            # Whoever interrupts this as well is told what there is.
            self.left = list(self.scene.journal.entries)
            self.left = clean_up(self.scene, self.say)

    def _stage(self, stage: Stage) -> bool:
        """Return whether to go on."""
        scene = self.scene
        if stage.needs_slurm and scene.spec.slurm is None:
            words = f"{stage.name}: {scene.spec.name} has no Slurm"
            self._note(f"{words}; not accepted by this program")
            return True
        self.say(f"\n{stage.name}: {stage.title}")
        self.say(f"  starts: {said(stage.starts, scene)}")
        self.say(f"  costs:  {stage.usd(scene)}")
        if not self.consents(stage.name):
            self._note(f"{stage.name}: declined, and what follows it")
            return False
        for step in stage.steps:
            result = self._step(stage, step)
            self.results.append(result)
            self.say(f"  {result.verdict:<9} {step.name}")
            self.say(f"            measured: {result.measured}")
            self.say(f"            expected: {result.wanted}")
            if result.verdict in STOPPING:
                return False
        # Nothing dear outlives its stage.
        return not clean_up(scene, self.say)

    def _step(self, stage: Stage, step: Step) -> Result:
        scene, began, looked = self.scene, time.monotonic(), True
        scene.commands.clear()
        try:
            found = step.look(scene)
            wanted, measured = found.wanted, found.measured
            verdict = VERDICTS[found.ok]
        except CloudError as error:
            wanted, measured = "an answer", str(error)
            verdict = FAIL if error.answered else NO_ANSWER
            if error.refused:
                verdict, measured = NOT_SHOWN, f"the caller may not {error.action}"
        except (CommandError, LookupError) as error:
            # Of what it could not look at a step says nothing.
            wanted, measured, verdict, looked = "there", str(error), FAIL, False
        commands = tuple(dict.fromkeys(scene.commands))
        tells = looked and (step.refutes or verdict == PASS) and step.concerns(scene)
        settles = step.settles if tells else ()
        seconds = time.monotonic() - began
        return Result(stage.name, step.name, wanted, measured, verdict, commands, settles, seconds)

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.say(f"\n{text}")

    @property
    def status(self) -> int:
        """1 where something failed or is left, 2 where not all was seen, else 0."""
        verdicts = {result.verdict for result in self.results}
        if FAIL in verdicts or (self.left and NO_ANSWER not in verdicts):
            return SOME_FAIL
        return COULD_NOT_RUN if self.notes or verdicts - {PASS} or not verdicts else ALL_WELL
