"""Shell commands on the nodes of an environment, by Systems Manager's Run Command."""

import base64
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.aws import Cloud, ask_unless
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG, RUN_COMMAND_DOCUMENT
from ultracluster.waiting import until

WAITING: Final = ("Pending", "InProgress", "Delayed", "Cancelling")
LISTED: Final = ("Pending", "InProgress")
"""Which of them ListCommands takes as a filter (SSM API, CommandFilter, read 2026-11-27)."""
NOT_YET: Final = ("InvocationDoesNotExist",)
GONE: Final = "InvalidInstanceId"
"""Error code of SendCommand if the instance or its agent does not run."""
DELIVERY_SECONDS: Final = 60
"""Seconds for which Systems Manager tries to reach the node; at least 30 (SendCommand API)."""
SECONDS: Final = 1800
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 3.0
ROOT: Final = "root"
OWN_LINE: Final = "failed to run commands:"
"""Beginning of the line that Run Command adds to the error output of a failed command."""


@dataclass(frozen=True)
class CommandResult:
    """Status and output of a command: at most 24,000 and 8,000 characters (SSM API)."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Its output, or if it failed its status and error output."""
        if self.status == 0:
            return self.stdout.strip()
        why = (self.stderr.strip() or self.stdout.strip()).splitlines()[-1:]
        return f"status {self.status}: {' '.join(why)}"


@dataclass(frozen=True)
class RunCommand:
    """Runs commands on one instance."""

    cloud: Cloud
    instance_id: str
    comment: str = ""
    """Comment of the commands, for `under_way`; at most 100 characters (SSM API)."""

    def run(self, command: str, user: str = ROOT) -> CommandResult:
        """Run a bash command as a user, with that user's login shell, and wait for its end.

        Neither the shell of Run Command nor Systems Manager's own `{{ }}` sees the text: it travels
        in base64. Whoever may send commands is root on the node: the user is who the command runs
        as, not what the caller may do.

        Raises:
            CloudError: where AWS refuses, or does not reach the instance.
        """
        text = base64.b64encode(shlex.join(["bash", "-c", command]).encode()).decode()
        whole = f'"$(echo {text} | base64 --decode)"'
        shell = "bash -c" if user == ROOT else f"runuser --login {shlex.quote(user)} --command"
        sent = self.cloud.ask(
            "ssm",
            "send_command",
            DocumentName=RUN_COMMAND_DOCUMENT,
            InstanceIds=[self.instance_id],
            Comment=self.comment,
            TimeoutSeconds=DELIVERY_SECONDS,
            Parameters={"commands": [f"{shell} {whole}"], "executionTimeout": [str(SECONDS)]},
        )
        answer = self._answer(sent["Command"]["CommandId"])
        status = int(answer.get("ResponseCode", -1))
        errors = str(answer.get("StandardErrorContent") or (answer["Status"] if status else ""))
        own = (line for line in errors.splitlines(keepends=True) if not line.startswith(OWN_LINE))
        return CommandResult(status, str(answer.get("StandardOutputContent") or ""), "".join(own))

    def _answer(self, command_id: str) -> dict[str, Any]:
        named = {"CommandId": command_id, "InstanceId": self.instance_id}

        def look() -> dict[str, Any]:
            answer = ask_unless(self.cloud, NOT_YET, "ssm", "get_command_invocation", **named)
            return answer or {"Status": WAITING[0]}

        def good(answer: dict[str, Any]) -> bool:
            return answer["Status"] not in WAITING

        return until(look, good, pause=FIRST_PAUSE, longest=LONGEST_PAUSE)


def login_node(cloud: Cloud, environment: str) -> str | None:
    """Return the id of a login node of an environment, by the tags of its launch template."""
    wanted = {f"tag:{ENVIRONMENT_TAG}": environment, f"tag:{ROLE_TAG}": LOGIN}
    found = instances(cloud, {**wanted, "instance-state-name": "running"})
    return min((str(each["InstanceId"]) for each in found), default=None)


def instances(cloud: Cloud, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the instances that pass EC2's filters, each with one value or several."""
    given = [
        {"Name": name, "Values": [value] if isinstance(value, str) else list(value)}
        for name, value in filters.items()
    ]
    rows = cloud.ask("ec2", "describe_instances", Filters=given)["Reservations"]
    return [each for row in rows for each in row["Instances"]]


def under_way(cloud: Cloud, comment: str) -> list[str]:
    """Return the ids of commands with this comment that are still running.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    filters = [[{"key": "Status", "value": status}] for status in LISTED]
    answers = [cloud.ask("ssm", "list_commands", Filters=each) for each in filters]
    return sorted(
        row["CommandId"]
        for answer in answers
        for row in answer["Commands"]
        if row.get("Comment") == comment and row["Status"] in WAITING
    )
