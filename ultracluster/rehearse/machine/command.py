"""`ultracluster rehearse ENVIRONMENT --nodes`."""

from pathlib import Path

from rich.console import Console

from ultracluster.aws import CloudError
from ultracluster.command_line import print_json
from ultracluster.exit_status import ALL_WELL, SOME_FAIL
from ultracluster.prove.deployment import stack_templates
from ultracluster.rehearse.machine import report
from ultracluster.rehearse.machine.boot_checks import Finding
from ultracluster.rehearse.machine.faults import FAULTS, NAMES
from ultracluster.rehearse.machine.image import Image, image, need_programs
from ultracluster.rehearse.machine.machine import MachineError, accelerator
from ultracluster.rehearse.machine.rehearsal import rehearse
from ultracluster.rehearse.machine.user_data import BootedNodes, booted_nodes
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.synthesis import Synthesis
from ultracluster.visible import console as new_console


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
    return _told(
        spec, session.findings, made, console, as_json=as_json, more=report.OF_AN_ACCEPTANCE
    )


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
    more: report.StandIns = (),
) -> int:
    """Print what was found; return the exit status."""
    with_what, stood = accelerator(made), (*report.STAND_INS, *more)
    if as_json:
        print_json(report.document(spec.name, findings, with_what, stood))
    else:
        report.show(console, spec.name, findings, with_what, stood)
    return ALL_WELL if all(each.ok for each in findings) else SOME_FAIL


def synthesized(spec: EnvironmentSpec, file: Path | None) -> BootedNodes:
    """Return what an environment's nodes boot, by a synthesis of its templates."""
    with Synthesis(spec, file) as synthesis:
        synthesis.stage()
        return booted_nodes(stack_templates(synthesis.directory / "cdk.out", spec.name))
