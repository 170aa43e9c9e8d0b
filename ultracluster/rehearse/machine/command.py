"""`ultracluster rehearse ENVIRONMENT --nodes`."""

from pathlib import Path

from rich.console import Console

from ultracluster.command_line import print_json
from ultracluster.exit_status import ALL_WELL, SOME_FAIL
from ultracluster.prove.deployment import stack_templates
from ultracluster.rehearse.machine import report
from ultracluster.rehearse.machine.boot_checks import Finding
from ultracluster.rehearse.machine.faults import FAULTS, NAMES
from ultracluster.rehearse.machine.image import image, need_programs
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
    progress.print("Root file system: built once, in minutes, and cached", highlight=False)
    made = image()
    findings: list[Finding] = []
    try:
        for finding in rehearse(made, booted, [each for each in FAULTS if each.name in names]):
            findings.append(finding)
            mark = "✓" if finding.ok else "✗"
            line = f"{mark} {finding.machine}: {finding.what}"
            progress.print(line, highlight=False, markup=False)
    except MachineError as error:
        findings.append(Finding("all", "the rehearsal comes to its end", False, str(error)))
    if as_json:
        print_json(report.document(spec.name, findings, accelerator(made)))
    else:
        report.show(console, spec.name, findings, accelerator(made))
    return ALL_WELL if all(each.ok for each in findings) else SOME_FAIL


def synthesized(spec: EnvironmentSpec, file: Path | None) -> BootedNodes:
    """Return what an environment's nodes boot, by a synthesis of its templates."""
    with Synthesis(spec, file) as synthesis:
        synthesis.stage()
        return booted_nodes(stack_templates(synthesis.directory / "cdk.out", spec.name))
