"""The environment's templates, synthesized in a child while AWS is being asked."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ultracluster.audit.judgement import judged
from ultracluster.audit.report import Report
from ultracluster.input_files import Sources
from ultracluster.rehearse.cdk import ROOT, CdkMissingError, surroundings
from ultracluster.spec.environment import EnvironmentSpec

SECONDS: Final = 12.0
"""A synthesis takes a few seconds; a preflight is to end within 15, whatever else runs here."""
PATIENT_SECONDS: Final = 300.0
"""Where nothing else is looked at."""


class NotSynthesizedError(RuntimeError):
    """There are no templates to judge."""


class Synthesis:
    """A child that synthesizes one environment; it lasts as long as the context."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        environment_file: Path | None,
        *,
        seconds: float | None = None,
    ) -> None:
        """Name what is synthesized; nothing is begun.

        Args:
            spec: the environment.
            environment_file: the user's file that it is of, None for one of the repository.
            seconds: how long it may take from its beginning; None takes `SECONDS`.
        """
        self._seconds = SECONDS if seconds is None else seconds
        self._spec = spec
        self._file = environment_file
        self._child: subprocess.Popen[bytes] | None = None
        self._why_not = ""

    def __enter__(self) -> Self:
        self._latest = time.monotonic() + self._seconds
        self._temporary = tempfile.TemporaryDirectory(prefix="ultracluster-")
        self.directory = self._temporary.name
        context = json.dumps(self._context())
        try:
            settings = surroundings(
                {"CDK_OUTDIR": str(self._assembly), "CDK_CONTEXT_JSON": context}
            )
        except CdkMissingError as error:
            self._why_not = str(error)
            return self
        if not (ROOT / "app.py").exists():
            self._why_not = "templates are made in a clone of the repository; there is none here"
            return self
        with self._said.open("w") as said:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "ultracluster.child_process", sys.executable, "app.py"],
                cwd=ROOT,
                env=settings,
                # The leash: the child ends when this is closed.
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        return self

    @property
    def _assembly(self) -> Path:
        return Path(self.directory) / "cdk.out"

    @property
    def _said(self) -> Path:
        return Path(self.directory) / "said"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child, where it still runs, and remove what it made."""
        if self._child is not None:
            if self._child.stdin is not None:
                self._child.stdin.close()
            self._child.wait()
        self._temporary.cleanup()

    def _context(self) -> dict[str, str]:
        context = {"environment": self._spec.name}
        if self._file is not None:
            context["environment-file"] = str(self._file.resolve())
        return context

    def report(self) -> Report:
        """Return what all rules say of the templates, once they are there.

        Raises:
            NotSynthesizedError: where none are made.
        """
        if self._child is None:
            raise NotSynthesizedError(self._why_not)
        try:
            self._child.wait(max(self._latest - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            raise NotSynthesizedError(
                f"it took more than {self._seconds:.0f} s; --only fabric-rules waits longer"
            ) from None
        # Whatever gate refused it: the templates are written before the gates are asked.
        stage = self._assembly / f"assembly-{self._spec.name}"
        sources = Sources([str(stage)]) if stage.is_dir() else None
        if sources is None or sources.errors:
            said = self._said.read_text(errors="replace").splitlines()
            last = [line for line in said if line.strip()][-1:]
            raise NotSynthesizedError(last[0] if last else "synthesis ended without a word")
        return judged(sources, {}, self._spec.region, "error")
