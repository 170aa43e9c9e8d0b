"""A Slurm cluster of virtual machines: nodes, a login node, and the controller on one of them.

In the place of PCS is Debian's slurmctld, configured as PCS does it: from 24.05 PrologFlags are
Contain,Alloc by itself; nodes get their configuration from the controller; GPUs are gres where the
node group says so (AWS PCS user guide, Slurm versions and custom settings, read 2026-11-26).
"""

import random
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.resources import files as files_of
from pathlib import Path
from typing import Final, Self

from ultracluster.rehearse.machine.image import Image
from ultracluster.rehearse.machine.machine import DISK, Hardware, Machine, MachineError
from ultracluster.rehearse.machine.user_data import BootedNodes
from ultracluster.waiting import until

CONTROLLER: Final = "10.77.0.1"
SCHEDULER: Final = "SchedulerParameters"
SOONER: Final = "sched_interval=5,bf_interval=5"
"""A job that is back in the queue is looked at after seconds, where it would be after a minute."""
CONF: Final = (files_of("ultracluster.rehearse.machine") / "slurm.conf").read_text("utf-8")
SCALING: Final = (files_of("ultracluster.rehearse.machine") / "slurm_scaling.conf").read_text(
    "utf-8"
)
"""What PCS's controller is told where it launches nodes for jobs, and stops idle ones."""


def controller_files(
    host: str,
    nodes: Mapping[str, str],
    settings: Mapping[str, str],
    *,
    vcpus: int,
    idle_seconds: int | None,
) -> Mapping[str, str]:
    """Return the controller's files, by path.

    Args:
        host: name of the machine that it runs on.
        nodes: addresses of nodes, by name.
        settings: what the template's cluster is told beside all that.
        vcpus: of the instance that a node is launched as.
        idle_seconds: after which a node is stopped; None leaves all nodes running, as the one
            processor that they have.
    """
    scheduler = ",".join(filter(None, (settings.get(SCHEDULER), SOONER)))
    told = {**settings, SCHEDULER: scheduler}
    fixed = idle_seconds is None
    scaling = "" if fixed else SCALING.format(idle_seconds=idle_seconds)
    conf = CONF.format(
        host=host,
        address=CONTROLLER,
        settings="\n".join(f"{name}={value}" for name, value in told.items()) + scaling,
        cpus=1 if fixed else vcpus,
        tasks="task/affinity,task/cgroup" if fixed else "task/cgroup",
        nodes="\n".join(f"NodeName={name} NodeAddr={at}" for name, at in nodes.items()),
    )
    return {
        "/etc/slurm/slurm.conf": conf,
        "/etc/slurm/gres.conf": "Name=gpu File=/dev/nvidia[0-7]\n",
        # Cores that a virtual machine does not have cannot be given to a step.
        "/etc/slurm/cgroup.conf": "ConstrainDevices=yes\n" + "ConstrainCores=yes\n" * fixed,
    }


LOGIN: Final = "login"
DISKS: Final = 2
PORTS: Final = range(20_000, 60_000)
PATIENCE: Final = 300.0
"""Seconds after which something is not coming any more."""
PAUSES: Final = (0.5, 4.0)
"""Seconds between two looks, at first and at most: each is processes on a machine that may be
emulated, and takes its time from what is waited for."""


class VirtualCluster:
    """Machines of one environment, for as long as the context lasts.

    The controller is on the login node, and without one on the first node.

    Args:
        image: what machines boot.
        booted: their user data.
        nodes: names of training nodes.
        login: whether there is a login node.
        idle_seconds: after which Slurm has a node stopped, which is not switched on until a job
            needs it; None switches all on at once and for good.
        disk_bytes: size of a node's NVMe disks.
    """

    def __init__(
        self,
        image: Image,
        booted: BootedNodes,
        nodes: Sequence[str],
        *,
        login: bool = False,
        idle_seconds: int | None = None,
        disk_bytes: int = DISK,
    ) -> None:
        self._image, self._booted = image, booted
        self._idle_seconds, self._disk_bytes = idle_seconds, disk_bytes
        names = (*((LOGIN,) if login else ()), *nodes)
        self.addresses = {name: f"10.77.0.{number}" for number, name in enumerate(names, start=1)}
        """IPv4, by name."""
        self._names, self.node_names = names, tuple(nodes)
        self.machines: dict[str, Machine] = {}
        """Those that are switched on, by name."""
        self.shared = Path()
        """The folder of this machine that is `/fsx` on all of them."""

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ultracluster-fsx-"))
            self.shared, self._homes = Path(folder) / "fsx", Path(folder) / "homes"
            self._port = random.choice(PORTS)  # noqa: S311
            for each in (self.shared, self._homes):
                each.mkdir()
                # As FSx and EFS make the root of a file system.
                each.chmod(0o755)
            self._key = secrets.token_hex(64)  # by which machines of one Slurm know each other
            stack.callback(lambda: [self.switch_off(name) for name in list(self.machines)])
            for name in self._names if self._idle_seconds is None else self._names[:1]:
                self.switch_on(name)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def switch_on(self, name: str) -> Machine:
        """Give a name a new machine, with a root file system as the image has it."""
        machine = self.machines[name] = Machine(self._image, self._hardware(name)).__enter__()
        return machine

    def switch_off(self, name: str) -> None:
        """Take a machine away, with its disks."""
        self.machines.pop(name).__exit__()

    @property
    def controller(self) -> Machine:
        """The machine that Slurm's controller runs on, and its commands work on."""
        return self.machines[self._names[0]]

    @property
    def nodes(self) -> list[Machine]:
        """Training nodes that are switched on."""
        return [self.machines[name] for name in self.node_names if name in self.machines]

    def _hardware(self, name: str) -> Hardware:
        version = self._booted.slurm_version or ""
        # Virtual machines have no name server.
        hosts = ["127.0.0.1 localhost", *(f"{at} {each}" for each, at in self.addresses.items())]
        files = {
            "/etc/hosts": "\n".join(hosts) + "\n",
            "/etc/stand-in/slurm-version": version,
            "/etc/stand-in/slurm.key": self._key,
        }
        for program in (files_of("constructs_lib") / "boot" / "node").iterdir():
            if program.name.endswith(".py"):
                files[f"/etc/stand-in/programs/{program.name}"] = program.read_text()
        if name == self._names[0]:
            files |= controller_files(
                name,
                {node: self.addresses[node] for node in self.node_names},
                self._booted.settings,
                vcpus=self._booted.vcpus,
                idle_seconds=self._idle_seconds,
            )
        login = name not in self.node_names
        if not login:
            files["/etc/stand-in/vcpus"] = f"{self._booted.vcpus}\n"
        return Hardware(
            name=name,
            user_data=(self._booted.login or "") if login else self._booted.node,
            address=f"{self.addresses[name]}/24",
            port=self._port,
            shared=self.shared,
            homes=self._homes,
            disks=0 if login else DISKS,
            disk_bytes=self._disk_bytes,
            files=files,
        )

    def start_slurm(self) -> None:
        """Start the controller, then the nodes' daemons, and wait until all are idle.

        PCS starts slurmd after user data has run, at every boot: earlier the health check would
        find a node without its file system, and drain it.
        """
        self.controller.ask("systemctl start slurmctld")
        for node in self.nodes:
            node.ask("systemctl start slurmd")
        self.until("all nodes are idle", lambda: set(self.states().values()) == {"idle"})

    def slurm(self, command: str) -> str:
        """Ask the controller by its own commands: a fault may have broken those of the node."""
        return self.controller.ask(f"export PATH=/usr/bin:$PATH; {command}")

    def states(self) -> dict[str, str]:
        """Return Slurm's state of each node."""
        said = self.slurm("sinfo --noheader --Node --format='%N %T'")
        return dict(line.split(maxsplit=1) for line in said.splitlines())

    def flags(self) -> dict[str, frozenset[str]]:
        """Return all that Slurm says of each node's state, `POWERING_UP` for example."""
        said = self.slurm("scontrol show nodes --oneliner")
        found = re.findall(r"NodeName=(\S+) .*? State=(\S+)", said)
        return {name: frozenset(state.rstrip("*").split("+")) for name, state in found}

    def reason(self, node: str) -> str:
        """Return why a node is drained."""
        return self.slurm(f"sinfo --noheader --nodes={node} --format=%E")

    def submit(self, script: str, *options: str, user: str = "root") -> int:
        """Submit a job as a user of the machine with the controller; return its number."""
        self.controller.ask(f"cat >/fsx/job.sh <<'END'\n{script}\nEND")
        command = f"cd /fsx && sbatch --parsable {' '.join(options)} /fsx/job.sh"
        return int(self.slurm(f"runuser -u {user} -- sh -c '{command}'").splitlines()[-1])

    def job(self, number: int) -> dict[str, str]:
        """Return what the controller knows of a job."""
        text = self.slurm(f"scontrol show job {number} --oneliner")
        return dict(re.findall(r"(\w+)=(\S*)", text))

    def comes(self, holds: Callable[[], object]) -> bool:
        """Wait until something holds; return whether it came to hold in that time."""
        return bool(until(holds, bool, PATIENCE, *PAUSES))

    def until(self, what: str, holds: Callable[[], object]) -> None:
        """Wait until something holds.

        Raises:
            MachineError: where it does not come to hold.
        """
        if not self.comes(holds):
            nodes = {name: f"{state}: {self.reason(name)}" for name, state in self.states().items()}
            raise MachineError(f"waited {PATIENCE:.0f} s in vain until {what}; {nodes}")
