"""What stands between `accept` and virtual machines, without the machines."""

import base64
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.accept.conftest import SPEC, World
from ultracluster.cli import main
from ultracluster.exit_status import COULD_NOT_RUN
from ultracluster.rehearse.machine.acceptance import node_groups
from ultracluster.rehearse.machine.fleet import INSTANCE, DataRepositories, Fleet, seen
from ultracluster.rehearse.machine.virtual_cluster import LOGIN
from ultracluster.run_command import CommandResult, RunCommand

if TYPE_CHECKING:
    from ultracluster.aws import Account
    from ultracluster.rehearse.machine.virtual_cluster import VirtualCluster


@dataclass
class Shell:
    """A machine that is this one."""

    name: str

    def wait_for_boot(self) -> float:
        """Be up at once."""
        return 0.0

    def ask(self, _: str) -> str:
        """Start what is to be started."""
        return ""

    def run(self, command: str, *_: object, **__: object) -> CommandResult:
        """Run a command's last part here: the first sees to the table of mounts."""
        done = subprocess.run(
            ["/bin/sh", "-c", command.partition(";")[2].partition(";")[2]],
            capture_output=True,
            text=True,
            check=False,
        )
        return CommandResult(done.returncode, f"{self.name}: {done.stdout}", done.stderr)


@dataclass
class FakeCluster:
    """Slurm's word on two nodes, and machines that are switched on and off."""

    states: dict[str, frozenset[str]]
    machines: dict[str, Shell] = field(default_factory=lambda: {LOGIN: Shell(LOGIN)})
    asked: list[str] = field(default_factory=list)
    addresses = {LOGIN: "10.77.0.1", "n1": "10.77.0.2", "n2": "10.77.0.3"}  # noqa: RUF012

    def flags(self) -> dict[str, frozenset[str]]:
        """Return what Slurm says."""
        return self.states

    def slurm(self, command: str) -> None:
        """Note what Slurm is told."""
        self.asked.append(command)

    def switch_on(self, name: str) -> None:
        """Have a machine."""
        self.machines[name] = Shell(name)

    def switch_off(self, name: str) -> None:
        """Have it no longer."""
        del self.machines[name]


def test_instances_come_and_go_as_slurm_asks(world: World, tmp_path: Path):
    """By the deployed launch template; who terminates one takes the machine, and Slurm is told."""
    cluster = FakeCluster(
        {"n1": frozenset({"IDLE", "POWERING_UP"}), "n2": frozenset({"POWERED_DOWN"})}
    )
    cloud = world.deployed.cloud
    with Fleet(cast("VirtualCluster", cluster), tmp_path, lambda: None) as fleet:
        login, nodes = node_groups(cloud, world.deployed.deployment)
        fleet.start(cloud, login, nodes)
        # The emulated PCS launched the login node already: another one would have no machine.
        (login_node,) = fleet._running(login.identifier)
        assert fleet._names == {login_node: LOGIN}
        fleet._look()
        (row,) = world.scene().nodes()
        tags = {tag["Key"]: tag["Value"] for tag in row["Tags"]}
        assert (row["PrivateIpAddress"], sorted(cluster.machines)) == ("10.77.0.2", [LOGIN, "n1"])
        assert row["Placement"]["GroupName"] == world.nodes.account["group"]
        assert tags["ultracluster:environment"] == "staging"

        script = 'bash -c "$(echo bHMgL3Byb2MvbW91bnRz | base64 --decode)"'
        asked = [str(tmp_path / INSTANCE), row["InstanceId"]]
        done = subprocess.run(asked, input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "n1: ")
        assert "/run/stand-in/mounts" in done.stderr

        cloud.ask("ec2", "terminate_instances", InstanceIds=[row["InstanceId"]])
        cluster.states["n1"] = frozenset({"ALLOCATED"})
        fleet._look()
        assert sorted(cluster.machines) == [LOGIN]
        assert cluster.asked == [
            f"scontrol update NodeName=n1 State={state} Reason=terminated"
            for state in ("DOWN", "POWER_DOWN_FORCE")
        ]
        assert fleet.problems == []
    world.deployed.cloud.ask(
        "ec2",
        "terminate_instances",
        InstanceIds=[i for i, name in fleet._names.items() if name != LOGIN],
    )


def test_folders_follow_the_bucket_and_the_bucket_folders(world: World, tmp_path: Path):
    """A folder that was renamed is exported under its last name alone, with the key."""
    cloud, deployment = world.deployed.cloud, world.deployed.deployment
    store = DataRepositories(SPEC, deployment, cloud, tmp_path)
    bucket = {"Bucket": world.nodes.account["bucket"]}
    cloud.ask("s3", "put_object", **bucket, Key="data/a/tokens", Body=b"7")
    part = tmp_path / "checkpoints" / "step" / "part"
    part.parent.mkdir(parents=True)
    part.write_text("8")

    store.synchronize()
    head = cloud.ask("s3", "head_object", **bucket, Key="checkpoints/step/part")
    assert (tmp_path / "data" / "a" / "tokens").read_text() == "7"
    assert head["SSEKMSKeyId"].endswith(world.nodes.account["key"])
    for key in ("data/a/tokens", "checkpoints/step/part"):
        for row in cloud.ask("s3", "list_object_versions", **bucket, Prefix=key)["Versions"]:
            cloud.ask("s3", "delete_object", **bucket, Key=key, VersionId=row["VersionId"])

    store.synchronize()
    assert "Contents" not in cloud.ask("s3", "list_objects_v2", **bucket)


def test_commands_see_lustre_where_9p_stands_in_for_it():
    """What travels in base64 as well."""
    sent: list[str] = []

    class Sent:
        def ask(self, _: str, operation: str, **given: dict[str, list[str]]) -> dict[str, object]:
            if operation == "send_command":
                sent.extend(given["Parameters"]["commands"])
            return {"Command": {"CommandId": "c"}, "Status": "Success", "ResponseCode": 0}

    RunCommand(cast("Account", Sent()), "i-1").run("grep -q ' /fsx lustre ' /proc/mounts", "ubuntu")

    moved = seen(sent[0])
    text = moved.split("echo ")[1].split()[0]
    assert b"/run/stand-in/mounts" in base64.b64decode(text)
    assert moved.endswith(sent[0].partition("| base64")[2])


def test_an_environment_without_slurm_is_refused(capsys):
    assert main(["rehearse", "dev", "--nodes", "--accept"]) == COULD_NOT_RUN
    assert "dev has no Slurm" in capsys.readouterr().err
