"""A login node of a Slurm cluster, reached by Systems Manager's Run Command."""

import re
import shlex
from dataclasses import dataclass
from typing import Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.exit_status import CommandError, UsageError
from ultracluster.run_command import GONE, RunCommand, Said, login_node

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
            said = RunCommand(self.cloud, instance).run(words, self.user)
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
        found = login_node(self.cloud, self.environment)
        if found is None:
            raise LoginNodeError(
                f"{self.environment}: no login node of it runs in {self.region}; its file needs "
                "slurm=SlurmSpec(...) with a login_instance_type, and a deployment"
            )
        return found


def _last_line(said: Said) -> str:
    lines = said.stderr.strip().splitlines()
    return lines[-1] if lines else f"the command ended with status {said.status}"
