"""The real AWS CDK CLI: the project's own, or the one that is installed."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ultracluster.environments import project_folder
from ultracluster.exit_status import CommandError
from ultracluster.synthesis import clean_environment

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
    """The CDK CLI of the project.

    Args:
        settings: environment variables on top of a small set of this process's own.
        folder: where it runs, None for the project's folder.

    Raises:
        CommandError: where the CDK CLI is not installed, or Node is not.
    """

    def __init__(self, settings: Mapping[str, str], folder: Path | None = None) -> None:
        self._environment = clean_environment(settings)
        self._folder = folder or project_folder()
        own = project_folder() / CLI
        installed = shutil.which("cdk", path=self._environment["PATH"])
        if own.exists():
            self._command = [self._environment["JSII_NODE"], str(own)]
        elif installed:
            self._command = [installed]
        else:
            raise CommandError(
                "the CDK CLI is not installed; run `npm install -g aws-cdk`, or in this project "
                "`npm install aws-cdk`"
            )

    def run(self, arguments: Sequence[str], listener: Listener = lambda _: None) -> list[str]:
        """Run one command to its end and return the lines that it printed.

        Raises:
            CdkError: where it exits with another status than 0.
        """
        ends_with_us = [sys.executable, "-P", "-m", "ultracluster.child_process"]
        command = [*ends_with_us, *self._command, *arguments]
        lines: list[str] = []
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            if process.stdout is None:
                raise CdkError("no pipe to the CDK CLI")
            for line in process.stdout:
                lines.append(line.rstrip())
                listener(lines[-1])
        if process.returncode:
            tail = "\n".join([*lines[-SHOWN_LINES:], *reasons(lines)])
            raise CdkError(
                f"cdk {' '.join(arguments)}\nexited with {process.returncode}. It ended:\n{tail}"
            )
        return lines
