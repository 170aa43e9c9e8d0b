"""A real Slurm of four nodes and three spare ones on this machine.

Debian's daemons on loopback, in a temporary folder; without root, cgroups or containers.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

from ultracluster import waiting

ROOT: Final = Path(__file__).resolve().parents[3]
SYSTEM_PATH: Final = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
NODES: Final = ("n1", "n2", "n3", "n4")
SPARE: Final = ("n5", "n6", "n7")
PATIENCE: Final = 120.0
"""Seconds after which something is not coming any more, also on a busy machine."""
SOON: Final = 0.05

CONF: Final = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
# auth/slurm would need no daemon, but its sockets are in /run (24.11): all slurmd of a machine
# then fight for one, and a Slurm that is there already would lose its own.
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its last credential has expired: 120 s by default, 5 at least.
AuthInfo=socket={folder}/munge/socket,cred_expire=5
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
CommunicationParameters=NoInAddrAny
# A node that is silent for so long is down; less, and a busy machine has dead nodes.
SlurmdTimeout=10
MessageTimeout=5
BatchStartTimeout=2
KillWait=2
# A node that comes back is used again, also one that rebooted unexpectedly.
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
Prolog={prolog}
# Before the job script starts, on every node of it.
PrologFlags=Alloc
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=2
NodeName=n4 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[4]} CPUs=2
NodeName=n5 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[5]} CPUs=2
NodeName=n6 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[6]} CPUs=2
NodeName=n7 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[7]} CPUs=2
PartitionName=train Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP
# For what takes a minute of waiting, beside all else.
PartitionName=beside Nodes=n[5-7] MaxTime=INFINITE State=UP
PropagatePrioProcess=1
"""


def located(command: str) -> str:
    """Return where a command is."""
    return shutil.which(command, path=SYSTEM_PATH) or command


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def until(
    what: str, holds: Callable[[], object], patience: float = PATIENCE, longest: float = 0.3
) -> None:
    """Wait until something holds.

    Args:
        what: is waited for.
        holds: says whether it is there; a question to a daemon is a process each time.
        patience: seconds that it may take.
        longest: seconds that the pause between two looks grows to.

    Raises:
        AssertionError: where it does not come to hold.
    """
    assert waiting.until(holds, bool, patience, SOON, longest), f"waited in vain: {what}"


class Slurm:
    """The cluster, for as long as the context lasts; whatever it started ends with it."""

    def __init__(self, folder: Path, prolog: Path) -> None:
        self.folder, self.prolog = folder, prolog
        self.conf = folder / "etc" / "slurm.conf"
        self._machines: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Start the controller and the nodes, and wait until they are idle."""
        for name in ("etc", "state", "spool", "log"):
            (self.folder / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        user = pwd.getpwuid(os.getuid()).pw_name
        ports = free_ports(1 + len(NODES) + len(SPARE))
        text = CONF.format(
            folder=self.folder, prolog=self.prolog, host=host, user=user, ports=ports
        )
        self.conf.write_text(text)
        try:
            self.start_munge()
            self._start("slurmctld", "slurmctld", "-D")
            for node in (*NODES, *SPARE):
                self.power_on(node)
            until("four idle nodes", lambda: set(self.states().values()) == {"idle"})
        except BaseException:
            self.stop()
            raise
        return self

    def start_munge(self) -> None:
        """Start what tells the daemons who asks, with a key of this cluster's own."""
        munge = self.folder / "munge"
        munge.mkdir(mode=0o700)
        (munge / "key").write_bytes(os.urandom(1024))
        (munge / "key").chmod(0o600)
        files = ("socket", "key-file", "pid-file", "log-file", "seed-file")
        options = [f"--{name}={munge / name.removesuffix('-file')}" for name in files]
        # --force: it would have everybody reach the socket, and only we should.
        self._start("munged", "munged", "--foreground", "--force", *options)
        until("munge", (munge / "socket").exists)

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    def stop(self) -> None:
        """Cut the power of every machine, and wait until it is off."""
        for name in list(self._machines):
            self.cut(name)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            self._machines[name] = subprocess.Popen(
                [sys.executable, "-S", str(Path(__file__).with_name("node.py")), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment(),
                process_group=0,
            )

    def power_on(self, node: str) -> None:
        """Start a node, or what replaces it."""
        self._start(node, "slurmd", "-D", "-N", node)

    def cut(self, name: str) -> None:
        """SIGKILL a machine: its daemon, the job steps on it, everything at once."""
        machine = self._machines.pop(name)
        assert machine.stdin is not None
        machine.stdin.close()
        machine.wait(PATIENCE)

    def environment(self, **more: str) -> dict[str, str]:
        """Return what Slurm's commands need, and nothing of a Slurm that is here already."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))}
        return {**inherited, "PATH": SYSTEM_PATH, "SLURM_CONF": str(self.conf), **more}

    def ask(self, *command: str) -> str:
        """Run a command of Slurm's, and return what it says."""
        done = subprocess.run(
            command, env=self.environment(), text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def states(self) -> dict[str, str]:
        """Return the state of each node but the spare ones."""
        ask = ("sinfo", "--noheader", "--Node", "--partition=train", "--format=%N %t")
        rows = self.ask(*ask).splitlines()
        return dict(row.split(maxsplit=1) for row in rows)

    def reason(self, node: str) -> str:
        """Return why a node is drained."""
        return self.ask("sinfo", "--noheader", f"--nodes={node}", "--format=%E")

    def submit(
        self,
        script: Path,
        *arguments: str,
        options: tuple[str, ...],
        work: Path,
        **variables: str,
    ) -> int:
        """Submit a script from a folder, as a user does, and return the job's number."""
        here = ("--parsable", "--output=%x-%j.out")
        done = subprocess.run(
            [located("sbatch"), *here, *options, str(script), *arguments],
            cwd=work,
            env=self.environment(**variables),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def job(self, number: int) -> dict[str, str]:
        """Return what the controller knows of a job."""
        text = self.ask("scontrol", "show", "job", str(number), "--oneliner")
        return dict(re.findall(r"(\w+)=(\S*)", text))

    def ended(self, number: int) -> dict[str, str]:
        """Wait for a job's end, and return what the controller knows of it then."""
        running = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED"}
        until(f"end of job {number}", lambda: self.job(number)["JobState"] not in running)
        return self.job(number)


@contextmanager
def whole(slurm: Slurm) -> Iterator[None]:
    """Leave four idle nodes behind, whatever a test did to them."""
    try:
        yield
    finally:
        for job in slurm.ask("squeue", "--noheader", "--partition=train", "--format=%A").split():
            slurm.ask("scancel", job)
        for node in NODES:
            if node not in slurm._machines:
                slurm.power_on(node)
        down = [n for n, state in slurm.states().items() if state.startswith(("drain", "down"))]
        for node in down:
            slurm.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
        until("four idle nodes", lambda: set(slurm.states().values()) == {"idle"})
