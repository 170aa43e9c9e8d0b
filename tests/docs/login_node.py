"""A real Slurm with accounting, and the nodes of it that pages name: for commands typed there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self
from urllib.request import urlopen

from tests.training.slurm.accounting import CONF, Accounting
from tests.training.slurm.cluster import ROOT, free_ports, until
from tests.training.slurm.machine import PROGRAMS, Machine

NODES: Final = ("p4d-24xlarge-1", "p4d-24xlarge-2")
"""Those that run; the other ones of the environment are known to Slurm alone."""
MORE: Final = """
SlurmdUser={user}
SlurmdSpoolDir={folder}/spool/%n
SlurmdPidFile={folder}/%n.pid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
NodeName=p4d-24xlarge-[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs=96
NodeName=p4d-24xlarge-[3-64] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=96
PartitionName=train Nodes=ALL Default=YES
"""
KNOWN_ALONE: Final = 62
RANK: Final = """ultracluster_rank_due_seconds{{rank="0",gpu="0"}} {due}
ultracluster_job_mfu_ratio 0.42
"""


class PagesSlurm(Accounting):
    """Controller, slurmdbd, its database and two nodes, for as long as the context lasts."""

    def configuration(self, known: Mapping[str, object]) -> str:
        """Return the file of the controller, with the nodes of `staging`."""
        head = CONF.partition("NodeName=")[0]
        ports = free_ports(len(NODES))
        first = max(ports) + 1
        last = first + KNOWN_ALONE - 1
        more = {"ports": ",".join(map(str, ports)), "first": first, "last": last}
        return (head + MORE).format(**known, **more)

    def __enter__(self) -> Self:
        super().__enter__()
        for node in NODES:
            self.power_on(node)
        until("two idle nodes", lambda: [self.states().get(n) for n in NODES] == ["idle"] * 2)
        return self


class Node:
    """What the programs of a node look at and answer, where a page is typed."""

    def __init__(self, folder: Path, slurm: PagesSlurm) -> None:
        self.machine = Machine(folder)
        self.name = NODES[0]
        self.slurm = slurm
        self.port = 0

    @property
    def root(self) -> Path:
        """Where the node's `/` lies."""
        return self.machine.folder / self.name

    def mend(self) -> None:
        """Make the node what it should be, with its programs where a page names them."""
        for name in NODES:
            self.machine.mend(name)
        opt = self.root / "opt" / "ultracluster"
        opt.mkdir(parents=True)
        (opt / "check.py").symlink_to(self.machine.prolog)
        (opt / "ends.py").symlink_to(PROGRAMS / "ends.py")
        for folder in (
            "fsx/run",
            "fsx/checkpoints",
            "fsx/home",
            "home",
            "scratch",
            "run/ultracluster/metrics",
        ):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "fsx/checkpoints/step-10").write_text("")
        job_files = ROOT / "training" / "slurm"
        shutil.copytree(job_files, self.root / "fsx/ultracluster/slurm")

    def unfit(self) -> None:
        """Let a check drain the node, and repair nothing."""
        (self.root / "no-time").touch()
        subprocess.run([self.machine.prolog], env=self.environment(), check=True)
        (self.root / "no-time").unlink()

    def environment(self) -> dict[str, str]:
        """Return what programs of the node find in their environment."""
        return self.slurm.environment(SLURMD_NODENAME=self.name)

    def serve(self) -> None:
        """Serve what the node measures of itself."""
        self.mend()
        boot = self.machine.folder / "boot"
        rank = RANK.format(due=2_000_000_000)
        (self.root / f"run/ultracluster/metrics/rank0.{os.getpid()}.prom").write_text(rank)
        (self.port,) = free_ports(1)
        variables = (f"ROOT={self.root}", f"HERE={boot}", f"PORT={self.port}")
        program = (sys.executable, str(boot / "metrics.py"))
        # As one of the cluster's machines it ends with them, whatever becomes of the tests.
        self.slurm._start("metrics", "env", *variables, *program)
        until("what the node measures", lambda: "rank_due" in self.measured())

    def measured(self) -> str:
        """Return what the node serves, nothing before it does."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
                return str(answer.read(), "utf-8")
        except OSError:
            return ""
