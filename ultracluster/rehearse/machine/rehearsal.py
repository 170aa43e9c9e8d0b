"""The steps of a rehearsal of nodes: boot, a job, faults, a user, a reboot."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from ultracluster.rehearse.machine.faults import USER, Fault, table
from ultracluster.rehearse.machine.image import Image
from ultracluster.rehearse.machine.machine import Machine
from ultracluster.rehearse.machine.room import Room
from ultracluster.rehearse.machine.user_data import HOMES, BootedNodes


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
    with Room(image, booted, names, login=booted.login is not None) as room:
        yield from _up(room, "wait_for_boot", "boots", "power-on", slurm=slurm)
        if slurm:
            room.start_slurm()
            yield job_runs(room, "a healthy node takes a job")
            if booted.login is not None:
                yield _user_submits(room)
            for fault in (each for each in faults if each.needs in booted.node):
                yield unfit(room, fault)
        yield from _up(room, "reboot", "reboots", "it", "after a reboot", slurm=slurm)
        if slurm:
            room.start_slurm()
            yield job_runs(room, "a healthy node takes a job after a reboot")


def _together(room: Room, work: str) -> list[tuple[Machine, float]]:
    """Boot or reboot all machines at once."""
    machines = list(room.machines.values())
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
    room: Room, work: str, what: str, after: str, when: str = "", *, slurm: bool
) -> Iterator[Finding]:
    """Boot or reboot all machines, and look at each."""
    for machine, seconds in _together(room, work):
        yield Finding(machine.name, what, True, f"up {seconds:.0f} s after {after}", seconds)
        training = machine in room.nodes
        yield from boot_findings(machine, training=training, slurm=slurm, when=when)


def _ended(room: Room, number: int) -> dict[str, str]:
    """Wait for a job's end, or until Slurm holds it, and return what is known of it then."""

    def settled() -> bool:
        job = room.job(number)
        return job["JobState"] in ENDED or "held" in job["Reason"].lower()

    room.comes(settled)
    return room.job(number)


def job_runs(room: Room, what: str) -> Finding:
    """Run a job on one node: all of its GPUs, unlimited locked memory, output in /fsx."""
    started = time.monotonic()
    job = _ended(room, room.submit(JOB))
    said = room.controller.run(f"cat /fsx/slurm-{job['JobId']}.out").stdout
    ok = job["JobState"] == "COMPLETED" and said == SAID.format(node=job["NodeList"])
    return Finding(job["NodeList"], what, ok, said, time.monotonic() - started)


def _user_submits(room: Room) -> Finding:
    """As docs/training/slurm.md has it: a session that may lock 8 MiB, in no login shell."""
    started = time.monotonic()
    room.controller.ask(f"cat >/fsx/user.sh <<'END'\n{JOB}touch /fsx/checkpoints-of-$USER\nEND")
    session = f"prlimit --memlock=8388608 -- runuser -u {USER} -- sh -c"
    said = room.controller.ask(
        f"cd /fsx && {session} 'mkdir -p {USER} && cd {USER} && sbatch --parsable --nodes 2 "
        "--ntasks-per-node 1 ../user.sh'"
    )
    job = _ended(room, int(said.splitlines()[-1]))
    output = room.controller.run(f"sort /fsx/{USER}/slurm-{job['JobId']}.out").stdout
    owner = room.controller.run(f"stat --format %U /fsx/checkpoints-of-{USER}").stdout
    wanted = "\n".join(SAID.format(node=node.name) for node in room.nodes)
    ok = job["JobState"] == "COMPLETED" and output == wanted and owner == USER
    found = f"{job['JobState']}, {output}, written by {owner}"
    what = f"{USER} submits to two nodes and writes to /fsx"
    return Finding(room.controller.name, what, ok, found, time.monotonic() - started)


CHECKS_END: Final = (
    "while grep -qas '[/]ultracluster/check.py' /proc/[0-9]*/cmdline; do sleep 1; done"
)


def unfit(room: Room, fault: Fault) -> Finding:
    """Plant a fault on the first node, submit a job, and mend the node again.

    The node must be drained with the reason, and the job must run on another one; or, where the
    fault is none, the job must run on that node.
    """
    node = room.nodes[0]
    started = time.monotonic()
    node.ask(fault.plant)
    job = _ended(room, room.submit(JOB, user=fault.user))
    state, reason = room.states()[node.name], room.reason(node.name)
    # A check that began while the node was unfit would drain it once it is mended.
    node.ask(f"{{ {fault.mend}; }} && {CHECKS_END}")
    seconds = time.monotonic() - started
    there = job["NodeList"] == node.name
    ok = job["JobState"] == "COMPLETED" and there == (not fault.reason)
    ok = ok and state.startswith("drain") == bool(fault.reason) and fault.reason in reason
    where = f"job {job['JobState']} on {job['NodeList']}, {job['Restarts']} restarts"
    if job["JobState"] != "COMPLETED":
        where += f" ({job['Reason']})"
    room.controller.run(f"/usr/bin/scancel {job['JobId']}")
    room.controller.run(f"/usr/bin/scontrol update NodeName={node.name} State=RESUME")
    room.until("all nodes are idle", lambda: set(room.states().values()) == {"idle"})
    what = f"{'unfit' if fault.reason else 'fit'}: {fault.name}"
    return Finding(node.name, what, ok, f"{state}: {reason}; {where}", seconds)
