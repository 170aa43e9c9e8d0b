"""The stage of two nodes: checks of each node, and tests of both together."""

import re
import shlex
from importlib.resources import files
from typing import Any, Final

from ultracluster.accept.scene import (
    GRES,
    JOB,
    NODES,
    Found,
    Scene,
    Stage,
    Step,
    at_least,
    at_most,
    hours,
    node_step,
    tags,
)
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.interfaces import layout
from ultracluster.catalogue.prices import capacity_block, on_demand
from ultracluster.spec.environment import EnvironmentSpec

MINUTES: Final = 60
"""After which Slurm ends the allocation by itself, whatever has become of this program."""
GRANTED: Final = re.compile(r"Granted job allocation (\d+)")
NVIDIA_SMI_MS: Final = 8000
"""With persistence mode; without it eight A100 take 25 to 30 s (Azure/AgentBaker#2829)."""
LARGE_VCPUS: Final = 64
"""Above it FSx advises other client parameters (FSx guide, performance tips, read 2026-11-26)."""
SCRATCH_SHARE: Final = 0.9
ROUTES: Final = (
    "gateway=$(ip -4 route show default | awk '{ print $3; exit }'); "
    "ip -4 -o addr show scope global | grep -v docker | while read -r _ device _ address _; do "
    'ip route get "$gateway" from "${address%/*}" | grep -q "dev $device " '
    "&& echo right || echo \"$device wrong\"; done | sort | uniq -c | sed 's/^ *//'"
)


def node_price(spec: EnvironmentSpec, count: int) -> str:
    block = spec.nodes.capacity_block is not None
    item = (capacity_block if block else on_demand)(spec.nodes.instance_type)
    return hours(spec, item, count, MINUTES / 60)


def cancel_jobs(scene: Scene) -> None:
    """Write down that jobs of this run's name are to be cancelled."""
    command = f"scancel --quiet --name={scene.run}"
    scene.journal.will_make("shell", instance="", command=command)


def _allocate(scene: Scene) -> Found:
    cancel_jobs(scene)
    answer = scene.shell(
        f"salloc --no-shell --nodes={NODES} --exclusive --mem=0 --time={MINUTES} "
        f"--wait-all-nodes=1 --job-name={scene.run} 2>&1"
    )
    granted = GRANTED.search(answer.stdout)
    if granted is None:
        return Found(f"{NODES} nodes", answer.text, ok=False)
    scene.memory[JOB] = granted[1]
    names = scene.shell(
        f"squeue --noheader --jobs={granted[1]} --format=%N | xargs scontrol show hostnames"
    ).stdout.split()
    # The GPUs that Slurm counts on a node, as the job files ask for them.
    gres = re.search(r" Gres=(gpu[^ ,(]*)", _shown(scene, names[0]) if names else "")
    scene.memory |= {"nodes": names, GRES: gres[1] if gres else ""}
    # The node check may drain a node that was just granted; an allocation is not requeued.
    found = ", ".join(names) or "an allocation that ended at once; see sinfo -R"
    return Found(f"{NODES} nodes", found, len(names) == NODES)


def _shown(scene: Scene, node: str) -> str:
    return scene.shell(f"scontrol show node {node} --oneliner").stdout


def instance_of(scene: Scene, node: str) -> dict[str, Any]:
    """Return the instance behind a node of Slurm's, by the address that Slurm reaches it at."""
    address = re.search(r" NodeAddr=(\S+)", _shown(scene, node))
    for row in scene.nodes():
        if address and row.get("PrivateIpAddress") == address[1]:
            return row
    return {}


def _rows(scene: Scene) -> list[dict[str, Any]]:
    """Return the instances of both nodes, by EC2's own word."""
    rows = [instance_of(scene, name) for name in scene.memory["nodes"]]
    ids = " ".join(row.get("InstanceId", "none") for row in rows)
    scene.commands.append(f"aws ec2 describe-instances --instance-ids {ids}")
    return rows


def _place(scene: Scene) -> Found:
    nodes, deployment = scene.spec.nodes, scene.deployment
    group = deployment.id_at("Cluster", "Placement/Group") if nodes.placement_group else "none"
    wanted = f"{nodes.instance_type} in {group}, reservation {_reservation(scene)}"
    found = [
        f"{row.get('InstanceType')} in {row.get('Placement', {}).get('GroupName') or 'none'}, "
        f"reservation {row.get('CapacityReservationId') or 'none'}"
        for row in _rows(scene)
    ]
    return Found(wanted, " | ".join(dict.fromkeys(found)), found == [wanted] * NODES)


def _tags(scene: Scene) -> Found:
    wanted = f"{ENVIRONMENT_TAG}={scene.spec.name}"
    found = [f"{ENVIRONMENT_TAG}={tags(row).get(ENVIRONMENT_TAG)}" for row in _rows(scene)]
    return Found(wanted, " | ".join(dict.fromkeys(found)), found == [wanted] * NODES)


def _reservation(scene: Scene) -> str:
    nodes = scene.spec.nodes
    if nodes.makes_reservation:
        return scene.deployment.id_at("Cluster", "Placement/Reservation")
    given = nodes.capacity_block or nodes.capacity_reservation
    return getattr(given, "capacity_reservation_id", None) or "none"


def _workplace(scene: Scene) -> str:
    """Return the start of a command that works in a folder of this run's, beside the program."""
    folder = shlex.quote(f"{scene.program}/{scene.run}")
    scene.journal.will_make("shell", instance="", command=f"rm -rf {folder}")
    program = shlex.quote(scene.program)
    return f"cd {program} && mkdir -p {folder} && export ULTRACLUSTER_LOGS={folder} && "


def _nccl(scene: Scene) -> Found:
    # Given back: what follows are jobs of their own, on the same nodes.
    scene.shell(f"scancel --quiet --name={scene.run}")
    instance, run = scene.spec.nodes.instance_type, scene.run
    answer = scene.shell(
        f"{_workplace(scene)}sbatch --wait --nodes={NODES} --time={MINUTES} --job-name={run} "
        f"--output={run}/nccl.out slurm/nccl-acceptance.sbatch {instance} >/dev/null; "
        f"echo status $?; tail -n 1 {run}/nccl.out; cat {run}/*.log | grep -c GDRDMA"
    )
    lines = answer.stdout.splitlines()
    direct = lines[-1] if lines and lines[-1].isdigit() else "0"
    ok = bool(lines) and lines[0] == "status 0" and int(direct) > 0
    return Found("status 0, sound, and GPUDirect in NCCL's log", "; ".join(lines), ok)


def _resumes(scene: Scene) -> Found:
    script = (files("ultracluster.accept") / "resume.sh").read_text("utf-8")
    words = shlex.join(["bash", "-c", script, "resume", scene.run, str(NODES)])
    answer = scene.shell(f"{_workplace(scene)}{words}")
    losses = answer.stdout.split()
    fits = len(losses) == NODES and losses[0] == losses[1]
    measured = " and ".join(losses) if answer.status == 0 else answer.text
    return Found("the same loss at step 20, straight and after a kill", measured, fits)


def _fabric(scene: Scene) -> str:
    interfaces = layout(scene.spec.nodes.instance, scene.spec.nodes.interface_layout)
    return str(sum(each.carries_fabric for each in interfaces))


def _addresses(scene: Scene) -> int:
    interfaces = layout(scene.spec.nodes.instance, scene.spec.nodes.interface_layout)
    return sum(each.properties()["InterfaceType"] != "efa-only" for each in interfaces)


def _large(scene: Scene) -> bool:
    return scene.spec.nodes.instance.vcpus > LARGE_VCPUS


def _has_switch(scene: Scene) -> bool:
    return bool(scene.spec.nodes.instance.has_nvswitch)


STAGE: Final = Stage(
    name="nodes",
    title="Two nodes",
    starts=lambda scene: (
        f"{NODES} x {scene.spec.nodes.instance_type} for {MINUTES} minutes at most; Slurm ends the "
        "allocation then, whatever becomes of this program"
    ),
    usd=lambda scene: node_price(scene.spec, NODES),
    needs_slurm=True,
    steps=(
        Step(
            "two nodes come up",
            _allocate,
            settles=("pcs-launch", "device-indexes"),
            refutes=False,
        ),
        node_step(
            "milliseconds of nvidia-smi",
            "s=$(date +%s%3N); nvidia-smi --list-gpus >/dev/null && echo $(($(date +%s%3N) - s))",
            f"at most {NVIDIA_SMI_MS}",
            at_most,
        ),
        node_step(
            "fabric manager",
            lambda scene: (
                "systemctl is-active nvidia-fabricmanager" if _has_switch(scene) else "echo none"
            ),
            lambda scene: "active" if _has_switch(scene) else "none",
            settles=("nvswitch-types",),
        ),
        node_step(
            "persistence mode",
            "nvidia-smi --query-gpu=persistence_mode --format=csv,noheader | sort -u",
            "Enabled",
        ),
        node_step(
            "EFA devices that are active",
            "grep -l ACTIVE /sys/class/infiniband/*/ports/1/state | wc -l",
            _fabric,
        ),
        node_step(
            "EFA in libfabric",
            "PATH=/opt/amazon/efa/bin:$PATH fi_info -p efa -t FI_EP_RDM | grep -c '^provider: efa'",
            lambda scene: f"at least {_fabric(scene)}",
            at_least,
        ),
        node_step(
            "replies leave by their own interface",
            ROUTES,
            lambda scene: f"{_addresses(scene)} right",
            settles=("replies",),
            concerns=lambda scene: _addresses(scene) > 1,
        ),
        node_step(
            "GB of scratch",
            "df --output=size --block-size=GB /scratch | tail -n 1 | tr -dc 0-9",
            lambda scene: (
                f"at least {(scene.spec.nodes.instance.local_nvme_gb or 0) * SCRATCH_SHARE:.0f}"
            ),
            at_least,
            settles=("dlami-nvme",),
        ),
        node_step(
            "requests in flight of the Lustre client",
            lambda scene: (
                "PATH=$PATH:/usr/sbin lctl get_param -n 'osc.*OST*.max_rpcs_in_flight' | sort -u"
                if _large(scene)
                else "echo as they are"
            ),
            lambda scene: "32" if _large(scene) else "as they are",
        ),
        node_step(
            "GPUs and locked memory in a step",
            "nvidia-smi --list-gpus | wc -l; ulimit -l",
            lambda scene: f"{scene.spec.nodes.instance.accelerator.count} unlimited",
            settles=("constrain-devices",),
        ),
        Step("tags of the instances", _tags, settles=("pcs-tags",)),
        Step(
            "place of the instances",
            _place,
            settles=("placement-with-reservation",),
            concerns=lambda scene: _reservation(scene) != "none",
        ),
        Step("bandwidth between the nodes", _nccl),
        Step("training goes on after a kill", _resumes),
    ),
)
