"""The emulated AWS as a child process that cannot outlive its parent."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, Self

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 5.0
REPORT_SECONDS: Final = 10.0
LOOPBACK: Final = "127.0.0.1"
EMULATED: Final = "123456789012"
"""The account that is asked where nobody names one."""
LOG_TAIL_LINES: Final = 30
MODULE: Final = "ultracluster.emulator"
REBOOT: Final = "systemctl reboot"
"""The script that an instance gets when it is rebooted."""
REPORT_PATH: Final = "/_emulator/report"
"""Where a running emulator answers with its report."""


@dataclass(frozen=True)
class Report:
    """What the emulation could not do."""

    schema_only: tuple[str, ...] = ()
    """Types of which something was created that was checked against AWS's registry schema and
    stored; no service's API shows it."""
    problems: tuple[str, ...] = ()
    """API calls that failed inside the emulator or that it does not have."""
    unfired: tuple[str, ...] = ()
    """Faults that were asked for and have not happened."""


class EmulatorError(RuntimeError):
    """The emulator did not start, or has ended; holds the end of its log."""


class Emulator:
    """An emulated AWS on a free port of 127.0.0.1, for as long as the context lasts.

    The child reads from a pipe that only this process holds. When this process stops, even by
    SIGKILL, the pipe ends and the child removes its state and kills its process group.
    """

    def __init__(
        self,
        region: str = "us-east-1",
        account: str = EMULATED,
        faults: Path | None = None,
        nodes: Path | None = None,
    ) -> None:
        """Prepare it.

        Args:
            region: the Region that is asked by default.
            account: the account that is asked by default.
            faults: JSON file of failures on purpose.
            nodes: program that runs the commands of Run Command, and `REBOOT`, in place of
                instances: it is given an instance's id, and the shell script on standard input.
        """
        self.region = region
        self.account = account
        self.token = secrets.token_urlsafe(32)
        self.endpoint_url = ""
        self.log_path = Path()
        self._faults = faults
        self._nodes = nodes
        self._process: subprocess.Popen[bytes] | None = None
        self._state = Path()
        self._port = 0

    def __enter__(self) -> Self:
        self._state = Path(tempfile.mkdtemp(prefix="emulator-"))
        self.log_path = self._state / "emulator.log"
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """Return the variables that make any SDK, the AWS CLI and the CDK CLI talk to this."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            # Twelve digits as access key id are taken as the account.
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "emulated",
            # Whoever does not have it is refused (ministack/guard.py).
            "AWS_SESSION_TOKEN": self.token,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CDK_DEFAULT_ACCOUNT": self.account,
            "CDK_DEFAULT_REGION": self.region,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }

    def report(self, seconds: float = REPORT_SECONDS) -> Report:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=seconds)
        with closing(connection):
            headers = {"X-Amz-Security-Token": self.token}
            connection.request("GET", REPORT_PATH, headers=headers)
            found = json.loads(connection.getresponse().read())
        return Report(**{name: tuple(values) for name, values in found.items()})

    def stop(self) -> None:
        """End the child and everything it started, and remove its state."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        shutil.rmtree(self._state, ignore_errors=True)

    def _start(self) -> None:
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._child_environment(),
                # Ctrl-C in a terminal reaches the whole foreground group; the child is to end
                # when the parent has cleaned up, not before.
                start_new_session=True,
            )
        # The child listens before it names its port, and answers once it has loaded everything.
        line = self._process.stdout.readline() if self._process.stdout else b""
        try:
            self._port = int(line)
            self.report(START_SECONDS)
        except (ValueError, OSError, HTTPException) as error:
            end = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
            words = "The emulator did not start. Its log ends:"
            raise EmulatorError("\n".join((words, *end))) from error
        self.endpoint_url = f"http://{LOOPBACK}:{self._port}"

    def _child_environment(self) -> dict[str, str]:
        # Emulated functions call this very server; a proxy would be asked for it instead.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
        }
        root = str(Path(__file__).resolve().parents[2])
        search = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        scripts = str(Path(sys.executable).parent)
        own = {
            # Emulated functions get it from here.
            "AWS_SESSION_TOKEN": self.token,
            "EMULATOR_STATE": str(self._state),
            "TMPDIR": str(self._state),
            "MINISTACK_ACCOUNT_ID": self.account,
            "MINISTACK_REGION": self.region,
            "PYTHONPATH": os.pathsep.join(search),
            # Emulated functions run in the node that is installed beside this Python.
            "PATH": os.pathsep.join((scripts, os.environ.get("PATH", ""))),
        }
        if self._faults is not None:
            own["EMULATOR_FAULTS"] = str(self._faults.resolve())
        if self._nodes is not None:
            own["EMULATOR_NODES"] = str(self._nodes.resolve())
        return {**inherited, **own}
