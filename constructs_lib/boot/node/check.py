#!/usr/bin/python3
"""Tells whether this node is fit for jobs, and takes it out of service where it is not.

Slurm runs it as root before each job (Prolog), after it (Epilog) and every 30 s
(HealthCheckProgram). By hand: `check.py show` tells and does nothing, `check.py accept` looks
deeply and puts the node back into service.

Where the controller does not answer, a prolog ends with 1: slurmd then drains the node by itself
and starts nothing (slurm.conf, Prolog, read 2026-11-27).
"""

from __future__ import annotations

import os
import re
import sys

import readings
from checks import HOLD, judged
from readings import ACTIONS, CommandError
from repair import LOOKING, Case


def verdict(found: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the strongest action, and the reasons, those of that action first."""
    ordered = sorted(found, key=lambda each: -ACTIONS.index(each[0]))
    return ordered[0][0], "; ".join(dict.fromkeys(why for _, why in ordered))


def before_job(case: Case) -> int:
    """Check the node for a job, and send the job back where the node is unfit."""
    found = judged(case.conf, "p")
    job = os.environ["SLURM_JOB_ID"]
    bad = [each for each in found if each[0] != HOLD]
    if bad:
        take_out(case, bad)
        # A prolog that fails may have its job held. The job is at no fault.
        return sent_back(case, "requeue", job)
    for _, why in found:
        case.scontrol("update", f"JobId={job}", f"AdminComment={why}")
        return sent_back(case, "requeuehold", job)
    return 0


def sent_back(case: Case, how: str, job: str) -> int:
    """Send a job back to the queue; where it stays, failing is what stops it."""
    try:
        case.scontrol(how, job)
    except CommandError as error:  # it may not be requeued, or is on its way already
        print(error, file=sys.stderr)
    # The number of an array's last task is the array's: its other tasks are listed as well.
    asked = ("squeue", "--noheader", "--jobs", job, "--format=%A %T")
    states = readings.said(*asked, seconds=case.seconds)
    waits = re.search(rf"^{job} (PENDING|COMPLETING|REQUEUE)", states, re.MULTILINE)
    return 0 if waits else 1


def take_out(case: Case, found: list[tuple[str, str]]) -> None:
    """Say what was found, and act on it."""
    action, why = verdict(found)
    print(f"ultracluster check: {case.node} is unfit: {action}: {why}", file=sys.stderr)
    case.unfit(action, why)


def look(case: Case, when: str) -> int:
    """Check the node, after a job or without one."""
    if case.waits() in LOOKING:
        return 0
    found = judged(case.conf, when)
    if found:
        take_out(case, found)
    elif when == "i":
        case.fit()
    return 0


def accept(case: Case) -> int:
    """Look deeply at a node that comes back, and put it into service where it is sound."""
    case.record("accepting", "")
    found = judged(case.conf, "i")
    if case.conf["GPUS"] != "0" and not found:
        try:
            seconds = float(case.conf.get("DEEP_SECONDS", "1800"))
            readings.said("dcgmi", "diag", "--run", "2", seconds=seconds)
        except CommandError as error:
            found = [("reset" if "fail" in error.text.lower() else "drain", str(error))]
    if not found:
        case.resume()
        return 0
    case.record("refused", verdict(found)[1])
    take_out(case, found)
    return 1


def reset(case: Case) -> int:
    """Reset the GPUs of a node without jobs; whoever holds them open is stopped for it."""
    services = ("nvidia-persistenced", "nvidia-dcgm", "ultracluster-metrics")
    for service in services:
        try:
            readings.said("systemctl", "stop", service)
        except CommandError:
            continue
    try:
        readings.said("nvidia-smi", "--gpu-reset", seconds=300)
    except CommandError as error:
        case.record("refused", str(error))
        case.unfit("reboot", str(error))
        return 1
    finally:
        for service in services:
            try:
                readings.said("systemctl", "start", service)
            except CommandError:
                continue
    case.record("reset", "done")
    return accept(case)


def show(case: Case) -> int:
    """Print what an idle node's checks find, and do nothing about it."""
    found = judged(case.conf, "i")
    for action, why in found:
        print(f"{action}: {why}")
    print(f"{case.node}: {'unfit' if found else 'fit'}")
    return int(bool(found))


def main(words: list[str]) -> int:
    """Do what Slurm, or a person, asks for."""
    conf = readings.settings()
    for name in ("GPUS", "FABRIC_MANAGER", "EFA_DEVICES", "LUSTRE", "HOMES", "SCRATCH"):
        conf[name]
    # One Slurm only: images carry several, and an older scontrol ends at a newer slurm.conf.
    os.environ["PATH"] = f"{conf['SLURM_BIN']}:/usr/sbin:/usr/bin:/sbin:/bin"
    case = Case(conf)
    by_hand = {"show": show, "accept": accept, "reset": reset}
    if words:
        return by_hand[words[0]](case)
    if "epilog" in os.environ.get("SLURM_SCRIPT_CONTEXT", ""):
        when = "e"
    elif os.environ.get("SLURM_JOB_ID"):
        when = "p"
    else:
        when = "b" if case.busy() else "i"
    # Who plants a fault to see what a prolog makes of it wants no health check to be there first.
    if when not in conf.get("OCCASIONS", when):
        return 0
    return before_job(case) if when == "p" else look(case, when)


if __name__ == "__main__":
    try:
        STATUS = main(sys.argv[1:])
    except Exception as problem:  # nobody can tell whether the node is fit
        print(f"ultracluster check: {problem!r}", file=sys.stderr)
        STATUS = 1
    sys.stdout.flush()
    # A thread may wait for a driver for ever; nobody waits for the thread.
    os._exit(STATUS)
