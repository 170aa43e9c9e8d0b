"""Run Command: a program of the user's in the place of what runs on instances.

MiniStack keeps commands and their states, and would run them in containers. Here a program gets an
instance's id as its argument and the script on standard input: tests answer as a node would, and
where Slurm is installed it may be a shell.
"""

import subprocess
from collections.abc import Sequence
from typing import Final

from ultracluster.emulator.ministack import internals

RUNNING: Final = "running"
SECONDS: Final = 600
NO_NODE: Final = 255


def install(program: str | None) -> None:
    """Let a program run what is sent to instances; without one, no instance takes commands."""
    if program is None:
        return

    def run(instance_id: str, argv: Sequence[str]) -> tuple[int, str, str]:
        try:
            done = subprocess.run(
                [program, instance_id],
                input=argv[-1],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return NO_NODE, "", str(error)
        return done.returncode, done.stdout, done.stderr

    internals.ec2.instance_is_managed = _runs
    internals.ec2.exec_in_instance_blocking = run


def _runs(instance_id: str) -> bool:
    instance = internals.ec2._instances.get(instance_id) or {}
    return bool(instance.get("State", {}).get("Name") == RUNNING)
