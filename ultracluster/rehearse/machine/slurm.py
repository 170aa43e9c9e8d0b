"""In the place of PCS: Debian's slurmctld on one of the machines, configured as PCS does it.

From 24.05 PCS sets PrologFlags to Contain,Alloc by itself; nodes get their configuration from the
controller; GPUs are gres where the node group says so (AWS PCS user guide, Slurm versions and
custom settings, read 2026-11-26).
"""

from collections.abc import Mapping
from typing import Final

CONTROLLER: Final = "10.77.0.1"
SCHEDULER: Final = "SchedulerParameters"
SOONER: Final = "sched_interval=5,bf_interval=5"
"""A job that is back in the queue is looked at after seconds, where it would be after a minute."""
CONF: Final = """\
ClusterName=rehearsal
SlurmctldHost={host}({address})
AuthType=auth/slurm
CredType=cred/slurm
# A requeued job waits until its credential has expired: 5 s as of 25.11 on PCS, 120 s by default.
AuthInfo=cred_expire=5
SlurmUser=slurm
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldParameters=enable_configless,idle_on_node_suspend
ProctrackType=proctrack/cgroup
TaskPlugin={tasks}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PrologFlags=Alloc,Contain
JobRequeue=1
ReturnToService=2
GresTypes=gpu
# A machine that is emulated instruction by instruction answers late.
MessageTimeout=60
SlurmdTimeout=600
BatchStartTimeout=60
{settings}
NodeName=DEFAULT CPUs={cpus} Gres=gpu:8
{nodes}
PartitionName=train Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
AS_INSTANCES: Final = """
# Nodes are what this file says, whatever a virtual machine has.
SlurmdParameters=config_overrides
# Nodes are launched for jobs, and stopped when they are idle. Who does it asks for their states.
SuspendProgram=/bin/true
ResumeProgram=/bin/true
SuspendTime={idle_seconds}
SuspendTimeout=30
ResumeTimeout=1800
NodeName=DEFAULT State=CLOUD
"""


def files(
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
    scaling = "" if fixed else AS_INSTANCES.format(idle_seconds=idle_seconds)
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
