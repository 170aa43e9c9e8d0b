"""A login node of a Slurm cluster, reached by Systems Manager's Run Command."""

import base64
import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG, RUN_COMMAND_DOCUMENT
from ultracluster.exit_status import CommandError, UsageError

USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
"""Names of Unix users, as useradd takes them, and those of directories with a dot."""
WAITING: Final = ("Pending", "InProgress", "Delayed", "Cancelling")
SECONDS_BETWEEN: Final = 1.0
DELIVERY_SECONDS: Final = 60
"""How long Systems Manager tries to reach the node; its least is 30 (SendCommand API)."""
EXECUTION_SECONDS: Final = 120
NOT_YET: Final = "InvocationDoesNotExist"
NOT_REGISTERED: Final = "InvalidInstanceId"


class LoginNodeError(CommandError):
    """A login node that is not there, or on which a command failed; holds its exit status."""

    def __init__(self, message: str, status: int = -1) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class LoginNode:
    """Runs programs as a user on a login node of an environment.

    Whoever may send commands to the node is root there: the user is who the program runs as, not
    what the caller may do.
    """

    cloud: Cloud
    environment: str
    region: str
    user: str
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)

    def __post_init__(self) -> None:
        if not USER.fullmatch(self.user):
            raise UsageError(
                f"--user {self.user}: Unix users have small letters, digits, _ . and -, 32 at most"
            )

    def run(self, program: str, *arguments: str) -> str:
        """Run a bash program with arguments, and return what it prints.

        Neither the shell of Run Command nor Systems Manager's own `{{ }}` sees a text of the
        caller's: all of it travels in base64.

        Raises:
            LoginNodeError: where there is no node, or the program ends with another status than 0.
        """
        words = shlex.join(["bash", "-c", program, "ultracluster", *arguments])
        text = base64.b64encode(words.encode()).decode()
        command = f'runuser --login {self.user} --command "$(echo {text} | base64 --decode)"'
        answer = self._answer(self._instance(), command)
        if answer["Status"] != "Success":
            raise self._failure(answer)
        return str(answer["StandardOutputContent"])

    def _instance(self) -> str:
        wanted = {
            f"tag:{ENVIRONMENT_TAG}": self.environment,
            f"tag:{ROLE_TAG}": LOGIN,
            "instance-state-name": "running",
        }
        filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
        rows = self.cloud.ask("ec2", "describe_instances", Filters=filters)["Reservations"]
        found = sorted(each["InstanceId"] for row in rows for each in row["Instances"])
        if not found:
            raise LoginNodeError(
                f"{self.environment}: no login node of it runs in {self.region}; its file needs "
                "slurm=SlurmSpec(...) with a login_instance_type, and a deployment"
            )
        return str(found[0])

    def _answer(self, instance: str, command: str) -> dict[str, Any]:
        try:
            sent = self.cloud.ask(
                "ssm",
                "send_command",
                DocumentName=RUN_COMMAND_DOCUMENT,
                InstanceIds=[instance],
                TimeoutSeconds=DELIVERY_SECONDS,
                Parameters={"commands": [command], "executionTimeout": [str(EXECUTION_SECONDS)]},
            )
        except CloudError as error:
            if error.code == NOT_REGISTERED:
                raise LoginNodeError(
                    f"{instance}: Systems Manager does not reach it; a node that just started "
                    "needs a minute, and a closed network the endpoints of ssm and ssmmessages"
                ) from error
            raise
        named = {"CommandId": sent["Command"]["CommandId"], "InstanceId": instance}
        answer: dict[str, Any] = {"Status": WAITING[0]}
        while answer["Status"] in WAITING:
            self.sleep(SECONDS_BETWEEN)
            try:
                answer = self.cloud.ask("ssm", "get_command_invocation", **named)
            except CloudError as error:
                if error.code != NOT_YET:
                    raise
        return answer

    def _failure(self, answer: dict[str, Any]) -> LoginNodeError:
        said = str(answer.get("StandardErrorContent") or "").strip().splitlines()
        # Run Command ends a failure's error output with a line of its own.
        said = [line for line in said if not line.startswith("failed to run commands:")]
        why = said[-1] if said else f"the command ended as {answer['Status']}"
        return LoginNodeError(
            f"{answer.get('InstanceId', 'login node')}: {why}", int(answer.get("ResponseCode", -1))
        )
