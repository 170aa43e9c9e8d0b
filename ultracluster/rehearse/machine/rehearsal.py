"""The steps of a rehearsal of nodes: boot, a job, faults, a user, a reboot."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from ultracluster.rehearse.machine.faults import USER, Fault, table
from ultracluster.rehearse.machine.image import Image
from ultracluster.rehearse.machine.machine import Machine
from ultracluster.rehearse.machine.user_data import HOMES, BootedNodes
from ultracluster.rehearse.machine.virtual_cluster import VirtualCluster


@dataclass(frozen=True)
class BootCheck:
    """A question to a machine, and the answer that is right."""

    what: str
    command: str
    wanted: str
    concerns: str = "every"
    """Machine that is asked: every one, or one with homes, training, Slurm, or its daemon."""


BOOT_CHECKS: Final = tuple(BootCheck(w, **texts) for w, texts in table("boot_checks").items())


@dataclass(frozen=True)
class Finding:
    """What was asked of a machine, and whether the answer is right."""

    machine: str
    what: str
    ok: bool
    found: str
    seconds: float | None = None


def boot_findings(
    machine: Machine, *, training: bool, slurm: bool, when: str = ""
) -> Iterator[Finding]:
    """Ask a machine that has booted.

    Args:
        machine: the machine.
        training: whether it is a training node, with accelerators and scratch.
        slurm: whether Slurm is there.
        when: what follows each question, `after a reboot` for example.
    """
    has = {"every": True, "training": training, "slurm": slurm, "slurmd": slurm and training}
    has["homes"] = HOMES in machine.hardware.user_data
    for check in (each for each in BOOT_CHECKS if has[each.concerns]):
        found = machine.run(check.command).stdout
        what = f"{check.what} {when}".strip()
        yield Finding(machine.name, what, found == check.wanted, found)


JOB: Final = """#!/bin/bash
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --propagate=NONE
#SBATCH --open-mode=append
srun --gres=gpu:8 sh -c 'echo ran on $(hostname), $(ulimit -l) KiB, GPUs $CUDA_VISIBLE_DEVICES'
"""
SAID: Final = "ran on {node}, unlimited KiB, GPUs 0,1,2,3,4,5,6,7"
ENDED: Final = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


def rehearse(image: Image, booted: BootedNodes, faults: Sequence[Fault]) -> Iterator[Finding]:
    """Boot an environment's machines and yield what was found, as it is found."""
    slurm = booted.slurm_version is not None
    names = ("n1", "n2") if slurm else ("n1",)
    with VirtualCluster(image, booted, names, login=booted.login is not None) as cluster:
        yield from _up(cluster, "wait_for_boot", "boots", "power-on", slurm=slurm)
        if slurm:
            cluster.start_slurm()
            yield job_runs(cluster, "a healthy node takes a job")
            if booted.login is not None:
                yield _user_submits(cluster)
            for fault in (each for each in faults if each.needs in booted.node):
                yield unfit(cluster, fault)
        yield from _up(cluster, "reboot", "reboots", "it", "after a reboot", slurm=slurm)
        if slurm:
            cluster.start_slurm()
            yield job_runs(cluster, "a healthy node takes a job after a reboot")


def _together(cluster: VirtualCluster, work: str) -> list[tuple[Machine, float]]:
    """Boot or reboot all machines at once."""
    machines = list(cluster.machines.values())
    with ThreadPoolExecutor(len(machines)) as pool:
        try:
            seconds = list(pool.map(lambda machine: getattr(machine, work)(), machines))
        except BaseException:
            # Ctrl-C as well: whoever waits for a machine is told at once that it is off.
            for machine in machines:
                machine.power_off()
            raise
    return list(zip(machines, seconds, strict=True))


def _up(
    cluster: VirtualCluster, work: str, what: str, after: str, when: str = "", *, slurm: bool
) -> Iterator[Finding]:
    """Boot or reboot all machines, and look at each."""
    for machine, seconds in _together(cluster, work):
        yield Finding(machine.name, what, True, f"up {seconds:.0f} s after {after}", seconds)
        training = machine in cluster.nodes
        yield from boot_findings(machine, training=training, slurm=slurm, when=when)


def _ended(cluster: VirtualCluster, number: int) -> dict[str, str]:
    """Wait for a job's end, or until Slurm holds it, and return what is known of it then."""

    def settled() -> bool:
        job = cluster.job(number)
        return job["JobState"] in ENDED or "held" in job["Reason"].lower()

    cluster.comes(settled)
    return cluster.job(number)


def job_runs(cluster: VirtualCluster, what: str) -> Finding:
    """Run a job on one node: all of its GPUs, unlimited locked memory, output in /fsx."""
    started = time.monotonic()
    job = _ended(cluster, cluster.submit(JOB))
    said = cluster.controller.run(f"cat /fsx/slurm-{job['JobId']}.out").stdout
    ok = job["JobState"] == "COMPLETED" and said == SAID.format(node=job["NodeList"])
    return Finding(job["NodeList"], what, ok, said, time.monotonic() - started)


def _user_submits(cluster: VirtualCluster) -> Finding:
    """As docs/training/slurm.md has it: a session that may lock 8 MiB, in no login shell."""
    started = time.monotonic()
    cluster.controller.ask(f"cat >/fsx/user.sh <<'END'\n{JOB}touch /fsx/checkpoints-of-$USER\nEND")
    session = f"prlimit --memlock=8388608 -- runuser -u {USER} -- sh -c"
    said = cluster.controller.ask(
        f"cd /fsx && {session} 'mkdir -p {USER} && cd {USER} && sbatch --parsable --nodes 2 "
        "--ntasks-per-node 1 ../user.sh'"
    )
    job = _ended(cluster, int(said.splitlines()[-1]))
    output = cluster.controller.run(f"sort /fsx/{USER}/slurm-{job['JobId']}.out").stdout
    owner = cluster.controller.run(f"stat --format %U /fsx/checkpoints-of-{USER}").stdout
    wanted = "\n".join(SAID.format(node=node.name) for node in cluster.nodes)
    ok = job["JobState"] == "COMPLETED" and output == wanted and owner == USER
    found = f"{job['JobState']}, {output}, written by {owner}"
    what = f"{USER} submits to two nodes and writes to /fsx"
    return Finding(cluster.controller.name, what, ok, found, time.monotonic() - started)


CHECKS_END: Final = (
    "while grep -qas '[/]ultracluster/check.py' /proc/[0-9]*/cmdline; do sleep 1; done"
)


def unfit(cluster: VirtualCluster, fault: Fault) -> Finding:
    """Plant a fault on the first node, submit a job, and mend the node again.

    The node must be drained with the reason, and the job must run on another one; or, where the
    fault is none, the job must run on that node.
    """
    node = cluster.nodes[0]
    started = time.monotonic()
    node.ask(fault.plant)
    job = _ended(cluster, cluster.submit(JOB, user=fault.user))
    state, reason = cluster.states()[node.name], cluster.reason(node.name)
    # A check that began while the node was unfit would drain it once it is mended.
    node.ask(f"{{ {fault.mend}; }} && {CHECKS_END}")
    seconds = time.monotonic() - started
    there = job["NodeList"] == node.name
    ok = job["JobState"] == "COMPLETED" and there == (not fault.reason)
    ok = ok and state.startswith("drain") == bool(fault.reason) and fault.reason in reason
    where = f"job {job['JobState']} on {job['NodeList']}, {job['Restarts']} restarts"
    if job["JobState"] != "COMPLETED":
        where += f" ({job['Reason']})"
    cluster.controller.run(f"/usr/bin/scancel {job['JobId']}")
    cluster.controller.run(f"/usr/bin/scontrol update NodeName={node.name} State=RESUME")
    cluster.until("all nodes are idle", lambda: set(cluster.states().values()) == {"idle"})
    what = f"{'unfit' if fault.reason else 'fit'}: {fault.name}"
    return Finding(node.name, what, ok, f"{state}: {reason}; {where}", seconds)
