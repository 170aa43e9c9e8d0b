"""`ultracluster rehearse ENVIRONMENT --nodes`: its tables, and what stood in for what."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.aws import CloudError
from ultracluster.command_line import print_json
from ultracluster.exit_status import ALL_WELL, SOME_FAIL
from ultracluster.prove.deployment import stack_templates
from ultracluster.rehearse.machine.faults import FAULTS, NAMES
from ultracluster.rehearse.machine.image import Image, accelerator, image, need_programs
from ultracluster.rehearse.machine.machine import MachineError
from ultracluster.rehearse.machine.rehearsal import Finding, rehearse
from ultracluster.rehearse.machine.user_data import BootedNodes, booted_nodes
from ultracluster.safe_output import console as new_console
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.synthesis import Synthesis
from ultracluster.tables import Column, Rows

StandIns = Sequence[tuple[str, str]]
STAND_INS: Final = (
    ("EC2's hardware", "QEMU, two NVMe disks, one processor"),
    (
        "the PCS-ready image",
        "Debian's kernel, systemd, cloud-init and Slurm 24.11 at the path of the cluster's version",
    ),
    ("PCS", "Debian's slurmctld with PCS's settings, on the login node"),
    ("GPUs and their driver", "device files; nvidia-smi, dcgmi and units that are scripts"),
    ("EFA", "RDMA over Ethernet (rdma_rxe), four devices; three of them have an address each"),
    ("FSx for Lustre", "a folder of this machine, by 9p; nothing of Lustre's client runs"),
    ("EFS and its mount helper", "another folder of this machine, by 9p: no NFS, TLS or IAM"),
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


def run(
    spec: EnvironmentSpec,
    file: Path | None,
    console: Console,
    *,
    names: tuple[str, ...] = NAMES,
    as_json: bool,
) -> int:
    """Boot an environment's nodes, and plant faults in them.

    Args:
        spec: the environment.
        file: the user's file that defines it, None for one of the project.
        console: where progress and the table are shown.
        names: faults to plant.
        as_json: whether the result is a document on standard output.
    """
    need_programs()
    progress = new_console(stderr=True)
    booted = synthesized(spec, file)
    made = _image(progress)
    findings: list[Finding] = []
    try:
        for finding in rehearse(made, booted, [each for each in FAULTS if each.name in names]):
            findings.append(finding)
            mark = "✓" if finding.ok else "✗"
            line = f"{mark} {finding.machine}: {finding.what}"
            progress.print(line, highlight=False, markup=False)
    except MachineError as error:
        findings.append(_not_to_the_end(error))
    return _told(spec, findings, made, console, as_json=as_json)


def accept(spec: EnvironmentSpec, file: Path | None, console: Console, *, as_json: bool) -> int:
    """Run the stages of `ultracluster accept` that act on nodes against virtual machines."""
    # Imported here: nobody else needs an emulated AWS for it.
    from ultracluster.emulator.process import EmulatorError  # noqa: PLC0415
    from ultracluster.rehearse.cdk import CdkError  # noqa: PLC0415
    from ultracluster.rehearse.display import Display  # noqa: PLC0415
    from ultracluster.rehearse.machine.acceptance import NodeAcceptance  # noqa: PLC0415

    progress = new_console(stderr=True)
    session = NodeAcceptance(spec, environment_file=file, display=Display(progress))
    made = _image(progress)
    try:
        session.accept(made)
    except (CdkError, CloudError, EmulatorError, MachineError) as error:
        session.findings.append(_not_to_the_end(error))
    return _told(spec, session.findings, made, console, as_json=as_json, more=OF_AN_ACCEPTANCE)


def _image(progress: Console) -> Image:
    progress.print("Root file system: built once, in minutes, and cached", highlight=False)
    return image()


def _not_to_the_end(error: Exception) -> Finding:
    return Finding("all", "the rehearsal comes to its end", False, str(error))


def _told(
    spec: EnvironmentSpec,
    findings: list[Finding],
    made: Image,
    console: Console,
    *,
    as_json: bool,
    more: StandIns = (),
) -> int:
    """Print what was found; return the exit status."""
    with_what, stood = accelerator(made), (*STAND_INS, *more)
    good = all(each.ok for each in findings)
    if as_json:
        about = {"environment": spec.name, "virtual": True, "accelerator": with_what, "good": good}
        found = [vars(each) for each in findings]
        print_json({**about, "findings": found, "stand_ins": dict(stood)})
    else:
        show(console, spec.name, findings, with_what, stood)
    return ALL_WELL if good else SOME_FAIL


def synthesized(spec: EnvironmentSpec, file: Path | None) -> BootedNodes:
    """Return what an environment's nodes boot, by a synthesis of its templates."""
    with Synthesis(spec, file) as synthesis:
        synthesis.stage()
        return booted_nodes(stack_templates(synthesis.directory / "cdk.out", spec.name))
