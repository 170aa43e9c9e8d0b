"""The real AWS CDK CLI, from the lock file, with Node from the virtual environment."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CLI: Final = Path("node_modules", "aws-cdk", "bin", "cdk")
EVENT: Final = re.compile(
    r"^\s*(?P<stack>[\w-]+) \|\s*(?:(?P<done>\d+)(?:/(?P<total>\d+))? \|)?.*?"
    r"\| (?P<status>[A-Z_]+) +\| (?P<type>[\w:]+) +\| (?P<name>.*)$"
)
STACK: Final = "AWS::CloudFormation::Stack"
CANCELLED: Final = "Resource creation cancelled"
"""What CloudFormation says of resources that it gave up because another one failed."""
SHOWN_LINES: Final = 40

Listener = Callable[[str], None]


class CdkMissingError(RuntimeError):
    """The CDK CLI or Node is not installed here."""


class CdkError(RuntimeError):
    """A CDK command that failed, with the end of what it printed."""


@dataclass(frozen=True)
class Event:
    """One line of a deployment's progress."""

    stack: str
    done: int
    total: int
    """0 where the CLI does not say, as when a stack is deleted."""
    status: str
    resource_type: str
    resource: str

    @classmethod
    def parse(cls, line: str) -> "Event | None":
        """Return the event that a line tells of, if it is one."""
        match = EVENT.match(line)
        if match is None:
            return None
        return cls(
            stack=match["stack"],
            done=int(match["done"] or 0),
            total=int(match["total"] or 0),
            status=match["status"],
            resource_type=match["type"],
            resource=match["name"].strip(),
        )


def package_cache(home: Path) -> Mapping[str, str]:
    """Return what jsii must be told where its cache cannot be written; it is slower without."""
    cache = home / ".cache" / "aws" / "jsii" / "package-cache"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {"JSII_RUNTIME_PACKAGE_CACHE": "disabled"}
    return {} if os.access(cache, os.W_OK) else {"JSII_RUNTIME_PACKAGE_CACHE": "disabled"}


INHERITED: Final = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TERM", "XDG_CACHE_HOME")


def surroundings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a child that runs CDK.

    Args:
        settings: what is set on top of a small set of this process's own, so that a user's AWS
            profile never reaches it.

    Raises:
        CdkMissingError: where Node is not installed.
    """
    scripts = Path(sys.executable).parent
    search = os.pathsep.join([str(scripts), os.environ.get("PATH", os.defpath)])
    node = shutil.which("node", path=search)
    if node is None:
        raise CdkMissingError("Node: not found; run `make setup`")
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        **kept,
        "PATH": search,
        "JSII_NODE": node,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "NO_COLOR": "1",
        **package_cache(Path(kept.get("HOME") or Path.home())),
        **settings,
    }


def reasons(lines: Sequence[str]) -> list[str]:
    """Return one line for each resource that failed by itself, from the lines of the CLI.

    The CLI tells it between the events of the rollback and advice about CloudTrail.
    """
    failed: dict[str, None] = {}
    for line in lines:
        event = Event.parse(line)
        if event is None or not event.status.endswith("_FAILED"):
            continue
        if event.resource_type != STACK and not event.resource.endswith(CANCELLED):
            failed[f"{event.status}: {event.resource_type} {event.resource}"] = None
    return list(failed)


class Cdk:
    """The CDK CLI in the repository's root.

    Args:
        settings: environment variables on top of a small set of this process's own.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._environment = surroundings(settings)
        if not (ROOT / CLI).exists():
            raise CdkMissingError(f"{ROOT / CLI}: not found; run `make setup`")
        self._command = [self._environment["JSII_NODE"], str(ROOT / CLI)]

    def run(self, arguments: Sequence[str], listener: Listener = lambda _: None) -> list[str]:
        """Run one command to its end and return the lines that it printed.

        Raises:
            CdkError: where it exits with another status than 0.
        """
        command = [sys.executable, "-m", "ultracluster.child_process", *self._command, *arguments]
        lines: list[str] = []
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            if process.stdout is None or process.stdin is None:
                raise CdkError("no pipe to the CDK CLI")
            try:
                for line in process.stdout:
                    lines.append(line.rstrip())
                    listener(lines[-1])
            finally:
                process.stdin.close()
        if process.returncode:
            tail = "\n".join([*lines[-SHOWN_LINES:], *reasons(lines)])
            raise CdkError(
                f"cdk {' '.join(arguments)}\nexited with {process.returncode}. It ended:\n{tail}"
            )
        return lines
