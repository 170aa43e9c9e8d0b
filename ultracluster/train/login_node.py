"""A login node of a Slurm cluster, reached by Systems Manager's Run Command."""

import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG
from ultracluster.exit_status import CommandError, UsageError
from ultracluster.run_command import GONE, RunCommand, Said

USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
"""Names of Unix users, as useradd takes them, and those of directories with a dot."""


class LoginNodeError(CommandError):
    """A login node that is not there, or on which a command failed; holds its exit status."""

    def __init__(self, message: str, status: int = -1) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class LoginNode:
    """Runs programs as a user on a login node of an environment."""

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

        Raises:
            LoginNodeError: where there is no node, or the program ends with another status than 0.
        """
        instance = self._instance()
        words = shlex.join(["bash", "-c", program, "ultracluster", *arguments])
        try:
            said = RunCommand(self.cloud, instance, self.sleep).run(words, self.user)
        except CloudError as error:
            if error.code == GONE:
                raise LoginNodeError(
                    f"{instance}: Systems Manager does not reach it; a node that just started "
                    "needs a minute, and a closed network the endpoints of ssm and ssmmessages"
                ) from error
            raise
        if said.status:
            raise LoginNodeError(f"{instance}: {_last_line(said)}", said.status)
        return said.stdout

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


def _last_line(said: Said) -> str:
    # Run Command ends a failure's error output with a line of its own.
    lines = [
        line
        for line in said.stderr.strip().splitlines()
        if not line.startswith("failed to run commands:")
    ]
    return lines[-1] if lines else f"the command ended with status {said.status}"
