"""Emulates PCS's instances and Systems Manager's agent for the machines of a virtual cluster.

Slurm says which nodes it needs and which are idle (its power saving, as under PCS). Each gets an
instance of the emulated EC2 by its deployed launch template, and a machine with that template's
user data. Commands of Run Command, and reboots, reach the machine behind an instance; an instance
that is terminated takes its machine with it.
"""

import base64
import re
import shlex
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from threading import Lock
from typing import Final, Self

from ultracluster.aws import Cloud
from ultracluster.emulator.process import REBOOT
from ultracluster.prove.deployment import Deployment
from ultracluster.prove.slurm_proof import GROUP_TAG
from ultracluster.rehearse.machine.machine import MachineError
from ultracluster.rehearse.machine.virtual_cluster import LOGIN, VirtualCluster
from ultracluster.run_command import SECONDS, instances
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.lustre import DataRepositorySpec

PROGRAM: Final = """\
import sys
from multiprocessing.connection import Client
with Client(sys.argv[1]) as door:
    door.send((sys.argv[2], sys.stdin.read()))
    status, said, error = door.recv()
sys.stdout.write(said)
sys.stderr.write(error)
sys.exit(status)
"""
INSTANCE: Final = "instance"
"""The program's name in its folder."""
MOUNTS: Final = "/run/stand-in/mounts"
SEE_LUSTRE: Final = (
    f"mkdir -p {MOUNTS.rpartition('/')[0]}; sed -e '/ \\/fsx 9p /s/ 9p / lustre /' "
    f"-e '/ \\/home 9p /s/ 9p / nfs4 /' /proc/mounts >{MOUNTS};"
)
"""As the prolog sees it, so does a command: what stands in for Lustre and EFS is called 9p."""
LOOK_SECONDS: Final = 5.0
NO_NODE: Final = 255


def seen(script: str) -> str:
    """Return a script of `ultracluster.run_command` that finds Lustre where 9p stands in for it."""

    def moved(match: re.Match[str]) -> str:
        text = base64.b64decode(match[1]).decode().replace("/proc/mounts", MOUNTS)
        return f"echo {base64.b64encode(text.encode()).decode()} | base64"

    return SEE_LUSTRE + re.sub(r"echo (\S+) \| base64", moved, script)


@dataclass(frozen=True)
class NodeGroup:
    """A compute node group of the deployed cluster."""

    identifier: str
    template: str
    """Id of its launch template."""


class Fleet:
    """The instances of a cluster, for as long as the context lasts.

    Args:
        cluster: whose nodes are switched on as Slurm needs them.
        folder: where `INSTANCE` is put, which the emulated AWS starts for each command.
        synchronized: called before and after each command: what FSx would do by then.
    """

    def __init__(
        self, cluster: VirtualCluster, folder: Path, synchronized: Callable[[], None]
    ) -> None:
        self._cluster, self._synchronized = cluster, synchronized
        self._names: dict[str, str] = {}
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(len(cluster.addresses) + 1)
        self.problems: list[str] = []
        """What a machine or the emulated AWS did not do."""
        self._door = Listener(str(folder / "door"), "AF_UNIX")
        words = shlex.join([sys.executable, "-P", "-c", PROGRAM, str(folder / "door")])
        program = folder / INSTANCE
        program.write_text(f'#!/bin/sh\nexec {words} "$1"\n')
        program.chmod(0o755)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._door.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def start(self, cloud: Cloud, login: NodeGroup, nodes: NodeGroup) -> None:
        """Take the login node that PCS launched, and from now on have those that Slurm asks for.

        Args:
            cloud: the emulated AWS.
            login: the group of login nodes.
            nodes: the group of all others.
        """
        self._cloud, self._nodes = cloud, nodes
        self._names[self._running(login.identifier).pop()] = LOGIN
        self._pool.submit(self._watch)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001  (a thread of its own: nobody else would see)
                self.problems.append(str(error))

    def _look(self) -> None:
        """Launch what Slurm powers up, and stop what it powers down or what was terminated."""
        running = self._running()
        for instance, name in list(self._names.items()):
            if instance not in running and name != LOGIN:
                if name in self._cluster.machines:
                    self._cluster.switch_off(name)
                # Down first: a job that ends there would wait for the node's answer for ever.
                for state in ("DOWN", "POWER_DOWN_FORCE"):
                    what = f"NodeName={name} State={state} Reason=terminated"
                    self._cluster.slurm(f"scontrol update {what}")
                del self._names[instance]
        there = {name: instance for instance, name in self._names.items()}
        for name, flags in self._cluster.flags().items():
            if "POWERING_UP" in flags and name not in there:
                self._cluster.switch_on(name)
                self._instance(name)
                self._pool.submit(self._up, name)
            elif name in there and flags & {"POWERING_DOWN", "POWERED_DOWN"}:
                del self._names[there[name]]
                self._cloud.ask("ec2", "terminate_instances", InstanceIds=[there[name]])
                self._cluster.switch_off(name)

    def _running(self, group: str = "*") -> set[str]:
        there = {"instance-state-name": ["pending", "running"], f"tag:{GROUP_TAG}": group}
        return {each["InstanceId"] for each in instances(self._cloud, there)}

    def _instance(self, name: str) -> None:
        """Launch an instance as its template says, at the address of its machine."""
        asked = {"LaunchTemplateId": self._nodes.template, "Versions": ["$Latest"]}
        versions = self._cloud.ask("ec2", "describe_launch_template_versions", **asked)
        data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        for each in data["TagSpecifications"]:
            each["Tags"].append({"Key": GROUP_TAG, "Value": self._nodes.identifier})
        kept = ("ImageId", "InstanceType", "Placement", "TagSpecifications")
        row = self._cloud.ask(
            "ec2",
            "run_instances",
            MinCount=1,
            MaxCount=1,
            PrivateIpAddress=self._cluster.addresses[name],
            **{key: data[key] for key in kept if key in data},
        )
        self._names[row["Instances"][0]["InstanceId"]] = name

    def _up(self, name: str, *, after: str = "wait_for_boot") -> None:
        """Start Slurm's daemon once a machine is up, as PCS's agent does."""
        try:
            getattr(self._cluster.machines[name], after)()
            self._cluster.machines[name].ask("systemctl start slurmd")
        except (KeyError, MachineError) as error:
            if name in self._names.values():
                self.problems.append(f"{name}: {error}")

    def _serve(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, EOFError):
                door = self._door.accept()
                threading.Thread(target=self._answer, args=(door,), daemon=True).start()

    def _answer(self, door: Connection) -> None:
        with door, suppress(OSError, EOFError):
            instance, script = door.recv()
            door.send(self._run(self._names.get(instance, ""), script))

    def _run(self, name: str, script: str) -> tuple[int, str, str]:
        if name not in self._cluster.machines:
            return NO_NODE, "", f"no machine is behind {name or 'the instance'}"
        if script == REBOOT:
            self._pool.submit(self._up, name, after="reboot")
            return 0, "", ""
        try:
            self._synchronized()
            done = self._cluster.machines[name].run(seen(script), SECONDS, apart=True)
            self._synchronized()
        except MachineError as error:
            return NO_NODE, "", str(error)
        return done.status, done.stdout, done.stderr


OF_9P: Final = ".virtfs_metadata"
"""Where QEMU keeps owners and modes."""


class DataRepositories:
    """What the environment's associations do, when they are asked to.

    Args:
        spec: the environment.
        deployment: where its bucket and key are found.
        cloud: the emulated AWS.
        shared: folder of this machine that is the file system.
    """

    def __init__(
        self, spec: EnvironmentSpec, deployment: Deployment, cloud: Cloud, shared: Path
    ) -> None:
        self._links, self._cloud, self._shared = spec.storage.data_repositories, cloud, shared
        self._bucket = deployment.id_at("Storage", "Data/Resource/Resource")
        self._key = deployment.id_at("Storage", "Key/Resource/Resource")
        self._exported: dict[Path, int] = {}
        self._lock = Lock()

    def synchronize(self) -> None:
        """Bring new objects into their folders, and new files into the bucket."""
        with self._lock:
            for link in self._links:
                folder = self._shared / link.file_system_path.lstrip("/")
                if link.auto_import:
                    self._import(link, folder)
                if link.auto_export:
                    self._export(link, folder)

    def _import(self, link: DataRepositorySpec, folder: Path) -> None:
        at = {"Bucket": link.bucket_name or self._bucket}
        for row in self._cloud.ask("s3", "list_objects_v2", **at, Prefix=link.prefix).get(
            "Contents", ()
        ):
            path = folder / row["Key"].removeprefix(link.prefix)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                body = self._cloud.ask("s3", "get_object", **at, Key=row["Key"])["Body"]
                path.write_bytes(body.read())

    def _export(self, link: DataRepositorySpec, folder: Path) -> None:
        for path in folder.rglob("*"):
            if OF_9P in path.parts or not path.is_file():
                continue
            if self._exported.get(path) == path.stat().st_mtime_ns:
                continue
            self._exported[path] = path.stat().st_mtime_ns
            self._cloud.ask(
                "s3",
                "put_object",
                Bucket=link.bucket_name or self._bucket,
                Key=f"{link.prefix}{path.relative_to(folder)}",
                Body=path.read_bytes(),
                ServerSideEncryption="aws:kms",
                SSEKMSKeyId=self._key,
            )
