"""Systems Manager's Run Command, executed by a program that whoever starts the emulator names.

MiniStack runs commands in containers, which are not here. Without such a program no instance has an
agent, and SendCommand is refused as AWS refuses it for a node that has not registered.
"""

import os
import subprocess
from typing import Final

from ultracluster.emulator.ministack import internals

SHELL: Final = "EMULATOR_LOGIN_SHELL"
"""Environment variable with the program; it is given what a shell would be: `-c SCRIPT`."""
LONGEST_SECONDS: Final = 120
CANNOT: Final = 255


def install() -> None:
    internals.ec2.instance_is_managed = _is_managed
    internals.ec2.exec_in_instance_blocking = _execute


def _is_managed(instance_id: str) -> bool:
    instance = internals.ec2._instances.get(instance_id) or {}
    return SHELL in os.environ and (instance.get("State") or {}).get("Name") == "running"


def _execute(instance_id: str, argv: list[str]) -> tuple[int, str, str]:
    del instance_id
    try:
        done = subprocess.run(
            [os.environ[SHELL], *argv[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LONGEST_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return CANNOT, "", str(error)
    return done.returncode, done.stdout, done.stderr
