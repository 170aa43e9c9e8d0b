"""Systems Manager's Run Command, with a program in the place of what runs on instances."""

from pathlib import Path

import pytest

from ultracluster.aws import Account, CloudError
from ultracluster.emulator.process import Emulator
from ultracluster.run_command import RunCommand

PROGRAM = """#!/bin/bash
echo "on $1" >&2
exec bash -s
"""


def instance(cloud: Account) -> str:
    """Start an instance."""
    made = cloud.ask("ec2", "run_instances", ImageId="ami-1", MinCount=1, MaxCount=1)
    return str(made["Instances"][0]["InstanceId"])


def test_commands_are_run_by_the_program(tmp_path: Path):
    """Status, output and errors are those of the program; a gone instance takes nothing."""
    program = tmp_path / "node"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    with Emulator(nodes=program) as emulator:
        cloud = Account("us-east-1", emulator.environment())
        name = instance(cloud)
        node = RunCommand(cloud, name)

        said = node.run('echo "it\'s $((40 + 2))"')
        assert (said.status, said.stdout, said.stderr) == (0, "it's 42\n", f"on {name}\n")
        assert node.run("echo no room; exit 3").status == 3
        # What Run Command adds to the errors of a command is no error of the command.
        failed = node.run(
            "echo 'no room' >&2; echo 'failed to run commands: exit status 3' >&2; exit 3"
        )
        assert failed.text == "status 3: no room"

        cloud.ask("ec2", "terminate_instances", InstanceIds=[name])
        with pytest.raises(CloudError, match="InvalidInstanceId"):
            node.run("true")


def test_without_a_program_no_instance_takes_commands():
    """Nothing runs there: an answer would be made up."""
    with Emulator() as emulator:
        cloud = Account("us-east-1", emulator.environment())

        with pytest.raises(CloudError, match="InvalidInstanceId"):
            RunCommand(cloud, instance(cloud)).run("true")
