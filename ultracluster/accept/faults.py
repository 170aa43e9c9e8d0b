"""The stage of planted faults: a node is drained, its job goes back, and the node comes back."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Final

from ultracluster.accept.nodes import MINUTES, cancel_jobs, instance_of, node_price
from ultracluster.accept.scene import Found, Scene, Stage, Step

CONF: Final = "/opt/ultracluster/node.conf"
NODE: Final = "node of the faults"
DRAIN_SECONDS: Final = 300
BACK_SECONDS: Final = 1500
"""For a node that boots: again, or another instance."""
BY_PROLOG: Final = "ultracluster check"
PROLOG_ALONE: Final = f"echo OCCASIONS=p >>{CONF}"
"""Or a health check drains the node before the job of the fault meets it."""


@dataclass(frozen=True)
class Fault:
    """Something that is done to a node, what undoes it, and what must follow."""

    name: str
    plant: str
    """As root on the node; empty for a call of EC2."""
    undo: str = ""
    call: str = ""
    replaced: bool = False


FAULTS: Final = (
    Fault(
        "one GPU fewer than there must be",
        plant=f"cp {CONF} {CONF}.accept && "
        f"sed -i 's/^GPUS=.*/GPUS=9/; s/^REPAIR=.*/REPAIR=0/' {CONF} && {PROLOG_ALONE}",
        undo=f"if [ -f {CONF}.accept ]; then mv {CONF}.accept {CONF}; fi",
    ),
    Fault(
        "no file system",
        plant=f"umount --lazy /fsx; {PROLOG_ALONE}",
        undo=f"sed -i /^OCCASIONS=/d {CONF}; grep -q ' /fsx lustre ' /proc/mounts || mount /fsx",
    ),
    Fault("a reboot", plant="", call="reboot_instances"),
    Fault("an instance that is terminated", plant="", call="terminate_instances", replaced=True),
)


def _take_node(scene: Scene) -> Found:
    cancel_jobs(scene)
    answer = scene.shell(
        f"srun --nodes=1 --exclusive --time={MINUTES} --job-name={scene.run} "
        "bash -c 'echo $SLURMD_NODENAME'"
    )
    scene.memory[NODE] = answer.stdout.strip()
    return Found("a node", answer.text, answer.status == 0 and bool(scene.memory[NODE]))


def _planted(fault: Fault, scene: Scene) -> Found:
    """Plant a fault under a job, and see node and job go the way that they must."""
    node = scene.memory[NODE]
    before = str(instance_of(scene, node).get("InstanceId", ""))
    if not before:
        return Found("an instance behind the node", f"{node} has none", ok=False)
    drains = bool(fault.plant)
    if drains:
        # Newest first: the node is mended before it resumes.
        scene.journal.will_make("shell", instance="", command=_resume(node))
        scene.journal.will_make("shell", instance=before, command=fault.undo)
        scene.root(fault.plant, before)
    job = _submit(scene, node)
    if not drains:
        _reached(scene, f"job {job}", "JobState=RUNNING", DRAIN_SECONDS)
        scene.ask("ec2", fault.call, InstanceIds=[before])
    said = [_drained(scene, node)] if drains else []
    # Slurm misses a node that reboots when it is back, or by SlurmdTimeout: a p4d takes minutes.
    seconds = DRAIN_SECONDS if drains else BACK_SECONDS
    requeued = _reached(scene, f"job {job}", r" Restarts=[1-9]", seconds)
    said.append("requeued" if requeued else "NOT requeued")
    wanted = [*(["drained"] if drains else []), "requeued", "back"]
    wanted += ["replaced"] if fault.replaced else []
    if any("NOT" in words for words in said):
        # It would be waited for in vain; what was planted is undone by the journal.
        return Found(", ".join(wanted), ", ".join(said), ok=False)
    if drains:
        scene.root(fault.undo, before)
        scene.root(_resume(node))
    back = _reached(scene, f"job {job}", "JobState=COMPLETED", BACK_SECONDS)
    said.append("back" if back else "NOT back")
    if fault.replaced:
        after = instance_of(scene, node).get("InstanceId")
        said.append("replaced" if after not in (None, before) else "NOT replaced")
    ok = not any("NOT" in words for words in said)
    return Found(", ".join(wanted), ", ".join(said), ok)


def _resume(node: str) -> str:
    return (
        f"if scontrol show node {node} --oneliner | grep -q 'State=[A-Z+]*DRAIN'; "
        f"then scontrol update NodeName={node} State=RESUME; fi"
    )


def _submit(scene: Scene, node: str) -> str:
    """Submit a job to the node, which waits at its first start and ends at once at the next."""
    answer = scene.shell(
        f"sbatch --parsable --requeue --nodes=1 --nodelist={node} --exclusive --time={MINUTES} "
        f"--job-name={scene.run} --output=/dev/null "
        "--wrap='test -n \"$SLURM_RESTART_COUNT\" || sleep 1800'"
    )
    return answer.stdout.strip()


def _reached(scene: Scene, what: str, words: str, seconds: float) -> str:
    """Return what Slurm says of a job or node once an expression is found in it; else nothing."""

    def look() -> str:
        shown = scene.shell(f"scontrol show {what} --oneliner").stdout
        return shown if re.search(words, shown) else ""

    found: str = scene.until(look, bool, seconds)
    return found


def _drained(scene: Scene, node: str) -> str:
    drained = f" State=[A-Z+]*DRAIN.*{BY_PROLOG}"
    shown = _reached(scene, f"node {node}", drained, DRAIN_SECONDS)
    reason = re.search(r"Reason=(.*?)(?: \[|$)", shown)
    return f"drained ({reason[1] if reason else 'no reason'})" if shown else "NOT drained"


STAGE: Final = Stage(
    name="faults",
    title="Planted faults",
    starts=lambda scene: (
        f"1 x {scene.spec.nodes.instance_type} for about {MINUTES} minutes; it is made unfit, "
        "rebooted and terminated"
    ),
    usd=lambda scene: node_price(scene.spec, 1),
    needs_slurm=True,
    steps=(
        Step("a node for the faults", _take_node),
        *(
            Step(
                f"fault: {fault.name}",
                partial(_planted, fault),
                settles=("drained-nodes",) if fault.plant else ("pcs-replaces",),
            )
            for fault in FAULTS
        ),
    ),
)
