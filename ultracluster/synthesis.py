"""Synthesizes the templates of an environment in a child process.

    python -m ultracluster.synthesis ENVIRONMENT

is that child: a CDK app that makes the stage of `constructs_lib.stacks` for an environment, given
by its name or by its file, and puts it through all gates. It runs wherever the package is
installed. A project's own `app.py` is never run: it may do anything. To review or audit what such
an app makes, run `cdk synth` and name its `cdk.out`. The context of the project's `cdk.json` holds
here as it holds for the CDK CLI.
"""

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ultracluster.command_line import need
from ultracluster.environments import find_all, project_folder
from ultracluster.exit_status import (
    ALL_WELL,
    COULD_NOT_RUN,
    SOME_FAIL,
    CommandError,
    explained,
)

if TYPE_CHECKING:
    import aws_cdk as cdk

    from ultracluster.spec.environment import EnvironmentSpec

SECONDS: Final = 300.0
"""A synthesis takes a few seconds, and several times that on a busy machine."""
STAGE: Final = "assembly-"
"""Beginning of the name of a stage's folder in a cloud assembly."""
INHERITED: Final = (
    *("HOME", "LANG", "LC_ALL", "TMPDIR", "TERM", "XDG_CACHE_HOME"),
    "PYTHONPATH",  # what this process could import, the child can
)
REFUSED: Final = re.compile("Validation ?[Ff]ailed")
"""CDK's error message if a validation failed."""
SHOWN_LINES: Final = 20
ONE_THREAD: Final = "--v8-pool-size=0"
"""Node's option for no helper threads: decision 0008."""


class SynthesisError(CommandError):
    """The synthesis failed; the message says why."""


class Synthesis(ExitStack):
    """A child process that synthesizes one environment in the background.

    It ends with the context manager, and when the parent is killed. It gets only a few environment
    variables, so that it does not use an AWS profile.

    Args:
        spec: the environment.
        file: the user's file that defines it; None for an environment of the project.
        seconds: time limit from its start.
    """

    def __init__(
        self, spec: "EnvironmentSpec", file: Path | None, *, seconds: float = SECONDS
    ) -> None:
        super().__init__()
        self._name = spec.name
        self._given = spec.name if file is None else str(file.resolve())
        self._seconds = seconds
        self._why_not: SynthesisError | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        context = json.dumps(cdk_context(project_folder()))
        self._latest = time.monotonic() + self._seconds
        temporary = tempfile.TemporaryDirectory(prefix="ultracluster-", ignore_cleanup_errors=True)
        self.directory = Path(self.enter_context(temporary))
        self._output = self.directory / "output"
        try:
            need(("aws_cdk",))
            given = {"CDK_OUTDIR": str(self.directory / "cdk.out"), "CDK_CONTEXT_JSON": context}
            settings = clean_environment(given)
        except CommandError as error:
            self._why_not = SynthesisError(str(error))
            return self
        module = (sys.executable, "-P", "-m")
        with self._output.open("w") as output:
            child = subprocess.Popen(
                [*module, "ultracluster.child_process", *synthesize_command(self._given)],
                env=settings,
                stdin=subprocess.PIPE,  # closed at the end of the context, which ends the child
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._child = self.enter_context(child)
        return self

    def stage(self) -> Path:
        """Wait, and return the folder of the stage's assembly, which is deleted with the context.

        Templates are written before the validations, so that they exist even if these fail.

        Raises:
            SynthesisError: if there are no templates, or not within the time limit.
        """
        if self._child is None:
            raise self._why_not or SynthesisError("the synthesis has not been started")
        try:
            self._child.wait(max(self._latest - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            why = f"its synthesis took more than {self._seconds:.0f} s"
            raise SynthesisError(f"{self._name}: {why}") from None
        stage = self.directory / "cdk.out" / f"{STAGE}{self._name}"
        if not any(stage.glob("*.template.json")):
            lines = self.printed.splitlines()
            errors = [line.removeprefix("ERROR ") for line in lines if line.startswith("ERROR ")]
            tail = "\n".join(errors or lines[-SHOWN_LINES:] or ["the child printed nothing"])
            raise SynthesisError(f"{self._name}: it cannot be synthesized: {tail}")
        return stage

    @property
    def refused(self) -> bool:
        """Whether a validation failed, after the templates were written."""
        return self._child is not None and self._child.returncode != ALL_WELL

    @property
    def printed(self) -> str:
        """The output of the child, with the findings of failed validations."""
        return self._output.read_text(errors="replace")


def synthesize_command(given: str) -> list[str]:
    """Return the command of the CDK app of an environment, by its name or its file."""
    return [sys.executable, "-P", "-m", "ultracluster.synthesis", given]


def cdk_context(project: Path) -> dict[str, Any]:
    """Return the context that the CDK CLI gives to an app of a project."""
    context = {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}
    try:
        own = json.loads((project / "cdk.json").read_text("utf-8"))
        return context | dict(own.get("context", {}))
    except FileNotFoundError:
        return context
    except (ValueError, AttributeError, TypeError) as error:
        raise SynthesisError(f"{project / 'cdk.json'}: not a valid cdk.json: {error}") from None


def qualifier() -> str:
    """Return the bootstrap qualifier in the project's cdk.json, or else the CDK's default."""
    found = cdk_context(project_folder()).get("@aws-cdk/core:bootstrapQualifier", "hnb659fds")
    return str(found)


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a child that runs CDK.

    Args:
        settings: what is set on top of a small set of this process's own, so that a user's AWS
            profile never reaches it.

    Raises:
        SynthesisError: where Node, which CDK's constructs run in, is not installed.
    """
    scripts = Path(sys.executable).parent
    search = os.pathsep.join([str(scripts), os.environ.get("PATH", os.defpath)])
    node = shutil.which("node", path=search)
    if node is None:
        raise SynthesisError(
            "Node, which CDK runs in, is not installed; run pip install 'ultracluster[rehearse]', "
            "which brings it, or install Node 22 or newer"
        )
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        **kept,
        "PATH": search,
        "JSII_NODE": node,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "NO_COLOR": "1",
        "NODE_OPTIONS": ONE_THREAD,
        **package_cache(Path(kept.get("HOME") or Path.home())),
        **settings,
    }


def spare_node_threads() -> None:
    """Start Node, in which CDK's constructs run, without helper threads, so that it ends sooner.

    These threads help servers that run for hours. Call it before `aws_cdk` is imported, which
    starts Node; options that are set already are kept.
    """
    os.environ["NODE_OPTIONS"] = f"{ONE_THREAD} {os.environ.get('NODE_OPTIONS', '')}".strip()


def package_cache(home: Path) -> Mapping[str, str]:
    """Return jsii's setting for a cache that cannot be written, which is slower."""
    cache = home / ".cache" / "aws" / "jsii" / "package-cache"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {"JSII_RUNTIME_PACKAGE_CACHE": "disabled"}
    return {} if os.access(cache, os.W_OK) else {"JSII_RUNTIME_PACKAGE_CACHE": "disabled"}


def run(build: Callable[[], "cdk.App"]) -> int:
    """Build an app and synthesize it; return the exit code.

    Problems of environments and findings of validations are printed without a stack trace.
    """
    try:
        build().synth()
    except Exception as error:
        lines, code = explained(error) or ([], COULD_NOT_RUN)
        if not lines and not (isinstance(error, RuntimeError) and REFUSED.search(str(error))):
            raise
        sys.stderr.writelines([f"ERROR {line}\n" for line in lines] or [f"{error}\n"])
        return code if lines else SOME_FAIL
    finally:
        # The process ends soon: a garbage collection before that would only take time.
        gc.freeze()
    return ALL_WELL


def _app(environments: Iterable["EnvironmentSpec"]) -> "cdk.App":
    # Imported here: only the child needs CDK and Node.
    import aws_cdk as cdk  # noqa: PLC0415

    from constructs_lib.gates import add_gates  # noqa: PLC0415
    from constructs_lib.stacks.environment import TrainingEnvironment  # noqa: PLC0415

    app = cdk.App(analytics_reporting=False)
    add_gates(app)
    for environment in environments:
        TrainingEnvironment(app, spec=environment)
    return app


if __name__ == "__main__":
    sys.exit(run(lambda: _app(find_all(sys.argv[1])[0])))
