"""What can be wrong with a node, planted on a machine, and what Slurm must then say of it."""

from dataclasses import dataclass
from typing import Final

from ultracluster.rehearse.machine.user_data import HOMES

STAND_IN: Final = "/etc/stand-in/nvidia-smi"
PROLOG_ERROR: Final = "Prolog error"
"""Slurm's own words where the prolog failed: the node could not say more."""


@dataclass(frozen=True)
class Fault:
    """One way in which a node is unfit."""

    name: str
    plant: str
    """Command that makes a sound node unfit."""
    mend: str
    """Command that makes it sound again."""
    reason: str
    """What the reason of the drained node has in it; empty where the node must stay fit."""
    user: str = "root"
    """Who submits the job."""
    needs: str = ""
    """What the node's user data must say for it to be a fault."""


def _nvidia_smi(name: str, setting: str, reason: str) -> Fault:
    return Fault(name, f"echo {setting} >{STAND_IN}", f"rm {STAND_IN}", reason)


USER: Final = "ssm-user"
"""Who a session of Systems Manager is."""
FAULTS: Final = (
    # A driver that starts anew for each question: 25 to 30 s on eight A100 (Azure/AgentBaker#2829),
    # of which a processor that is emulated takes its own part for six questions at once.
    _nvidia_smi("gpu-slow", "SECONDS_EACH=20", ""),
    _nvidia_smi("gpu-missing", "GPUS=7", "7 GPUs instead of 8"),
    _nvidia_smi("gpu-ecc", "BAD_GPU=3", "uncorrected ECC errors on GPU 3"),
    _nvidia_smi("gpu-silent", "SECONDS_EACH=600", "nvidia-smi did not answer within 40 s"),
    Fault("lustre-unmounted", "umount /fsx", "mount /fsx", "Lustre is not mounted at /fsx"),
    Fault("homes-unmounted", "umount -l /home", "mount /home", "EFS is not mounted", needs=HOMES),
    Fault(
        "efa-port-down",
        "ip link set efa2 down",
        "ip link set efa2 up",
        "3 active EFA devices instead of 4",
    ),
    Fault(
        "fabric-manager-dead",
        "systemctl kill --signal=KILL nvidia-fabricmanager",
        "systemctl reset-failed nvidia-fabricmanager; systemctl start nvidia-fabricmanager",
        "nvidia-fabricmanager is failed",
    ),
    Fault(
        "disk-full",
        "fallocate --length $(($(df --output=avail --block-size=1 / | tail -n 1) - (100 << 20)))"
        " /full",
        "rm /full",
        "MiB are free on /, 1024 are needed",
    ),
    Fault(
        "clock-wrong",
        # A minute and more, and Slurm's own credentials keep the node out.
        "date --set '+20 seconds'",
        "date --set @$(cat /sys/class/rtc/rtc0/since_epoch); adjtimex --status 0 --maxerror 0",
        "the clock is not synchronized",
    ),
    Fault(
        "user-unknown",
        f"usermod --uid 4242 {USER}",
        f"usermod --uid 1001 {USER}",
        "user 1001 is unknown",
        user=USER,
    ),
    Fault(
        "user-of-another-name",
        f"usermod --login other {USER}",
        f"usermod --login {USER} other",
        f"user 1001 is other instead of {USER}",
        user=USER,
    ),
    Fault(
        "scontrol-unknown",
        "ln -sfn /opt/aws/pcs/scheduler/slurm-24.11/bin "
        "$(sed -n s/SLURM_BIN=//p /opt/ultracluster/node.conf)",
        "ln -sfn /usr/bin $(sed -n s/SLURM_BIN=//p /opt/ultracluster/node.conf)",
        PROLOG_ERROR,
    ),
    Fault(
        "check-broken",
        "mv /opt/ultracluster/node.conf /root",
        "mv /root/node.conf /opt/ultracluster",
        PROLOG_ERROR,
    ),
    Fault(
        "check-gone",
        "mv /opt/ultracluster/check.py /root",
        "mv /root/check.py /opt/ultracluster",
        PROLOG_ERROR,
    ),
)
NAMES: Final = tuple(fault.name for fault in FAULTS)
