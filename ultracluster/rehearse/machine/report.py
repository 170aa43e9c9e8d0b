"""What a rehearsal of nodes prints: its findings, their times, and what stood in for what."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from ultracluster.rehearse.machine.boot_checks import Finding
from ultracluster.tables import Column, Rows

StandIns = Sequence[tuple[str, str]]
STAND_INS: Final = (
    ("EC2's hardware", "QEMU, two NVMe disks, one processor"),
    (
        "the PCS-ready image",
        "Debian's kernel, systemd, cloud-init and Slurm 24.11 at the path of the cluster's version",
    ),
    ("PCS", "Debian's slurmctld with PCS's settings, on the login node"),
    ("GPUs and their driver", "device files, and an nvidia-smi and units that are scripts"),
    ("EFA", "RDMA over Ethernet (rdma_rxe), four devices; three of them have an address each"),
    ("FSx for Lustre", "a folder of this machine, by 9p; nothing of Lustre's client runs"),
    ("96 processors (p4d)", "nproc, and the controller's file, say so"),
    ("Amazon Time Sync", "the clock of this machine"),
    ("a Systems Manager session", "sh without a login, with 8 MiB of locked memory"),
)
"""What is no instance's, and what is there in its place."""
OF_AN_ACCEPTANCE: Final = (
    ("AWS", "the emulated AWS; an instance is a record, and the machine behind it"),
    ("how PCS scales", "Slurm's power saving; idle nodes are stopped after 3 minutes"),
    ("Run Command's agent", "QEMU's guest agent"),
    ("data repository associations", "files are copied before and after each command"),
    (
        "PyTorch, NCCL and nccl-tests",
        "scripts: a loss that follows from the checkpoint, the log of two sound nodes",
    ),
)
"""The same, of what `accept` needs besides."""


def show(
    console: Console, name: str, findings: Sequence[Finding], accelerator: str, stand_ins: StandIns
) -> None:
    """Print the findings of an environment as a table."""
    title = f"{name}: the user data of its templates, booted in virtual machines ({accelerator})"
    columns = (Column("machine"), Column("what", "prose"), Column("result"), Column("s", "number"))
    table = Rows((*columns, Column("found", "prose")), title=title)
    for each in findings:
        seconds = "" if each.seconds is None else f"{each.seconds:.0f}"
        found = " ".join(each.found.split()) or "nothing"
        table.add(each.machine, each.what, "ok" if each.ok else "FAILED", seconds, found)
    console.print(table)
    stood = Rows((Column("in the place of"), Column("stood", "prose")), title="Stand-ins")
    for row in stand_ins:
        stood.add(*row)
    console.print(stood)


def document(
    name: str, findings: Sequence[Finding], accelerator: str, stand_ins: StandIns
) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "environment": name,
        "virtual": True,
        "accelerator": accelerator,
        "good": all(each.ok for each in findings),
        "findings": [vars(each) for each in findings],
        "stand_ins": dict(stand_ins),
    }
