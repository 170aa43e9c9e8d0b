"""What a machine must be once it has booted: the first time, and after every reboot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ultracluster.rehearse.machine.machine import Machine

CONF: Final = ". /opt/ultracluster/node.conf;"


@dataclass(frozen=True)
class BootCheck:
    """A question to a machine, and the answer that is right."""

    what: str
    command: str
    wanted: str


EVERY: Final = (
    BootCheck("user data has run to its end", "cloud-init status", "status: done"),
    BootCheck("no unit has failed", "systemctl --failed --plain --no-legend", ""),
    BootCheck(
        "/fsx is mounted, and users may write",
        "findmnt --noheadings --output TARGET --mountpoint /fsx && stat --format %a /fsx",
        "/fsx\n1777",
    ),
    BootCheck(
        "what changes the image is masked",
        f"{CONF} systemctl is-enabled $STILL | sort -u; systemctl is-active $STILL | sort -u",
        "masked\ninactive",
    ),
    BootCheck("the kernel is held", "apt-mark showhold | grep -cx linux-image-amd64", "1"),
    BootCheck(
        "a new session may lock memory",
        # As PAM does it for whoever logs in.
        "runuser --login ssm-user --command 'ulimit -l; ulimit -n'",
        "unlimited\n1048576",
    ),
)
TRAINING: Final = (
    BootCheck(
        "one array of all NVMe at /scratch",
        "findmnt --noheadings --output FSTYPE --mountpoint /scratch && stat --format %a /scratch"
        " && grep -c '^md.* active raid0 nvme.* nvme' /proc/mdstat",
        "xfs\n1777\n1",
    ),
    BootCheck(
        "persistence and fabric manager run",
        "systemctl is-active nvidia-persistenced nvidia-fabricmanager",
        "active\nactive",
    ),
)
SLURM: Final = (
    BootCheck(
        "Slurm's commands are the cluster's",
        f"{CONF} readlink /usr/local/bin/sbatch | grep -cFx $SLURM_BIN/sbatch",
        "1",
    ),
)
SLURMD: Final = (
    BootCheck(
        "slurmd may lock memory",
        "systemctl show slurmd --property=LimitMEMLOCK,LimitNOFILE --value",
        "1048576\ninfinity",
    ),
)


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
    checks = [*EVERY]
    checks += TRAINING if training else ()
    checks += SLURM if slurm else ()
    checks += SLURMD if slurm and training else ()
    for check in checks:
        found = machine.run(check.command).said
        what = f"{check.what} {when}".strip()
        yield Finding(machine.name, what, found == check.wanted, found)
