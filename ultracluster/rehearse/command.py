"""The command `ultracluster rehearse`."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from ultracluster.command_line import EXTRAS, add_environment, add_format, need, print_json
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, UsageError
from ultracluster.rehearse.machine.faults import NAMES
from ultracluster.safe_output import console as new_console

if TYPE_CHECKING:
    from ultracluster.emulator.faults import Rule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_format(parser)
    kept = "keep the emulated AWS until Ctrl-C, to use it with any SDK"
    parser.add_argument("--keep", action="store_true", help=kept)
    faults = "JSON file of faults to inject into the emulated AWS"
    parser.add_argument("--faults", type=Path, help=faults)
    _add_campaign(parser.add_argument_group("a fault at every resource, and between calls"))
    parser.add_argument(
        "--nodes",
        action="store_true",
        help="instead boot the nodes' user data in virtual machines, and inject faults",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="with --nodes: deploy to an emulated AWS, and run the node stages of `accept`",
    )
    parser.add_argument(
        "--node-fault",
        action="append",
        choices=("none", *NAMES),
        metavar="FAULT",
        help=f"with --nodes: inject only this fault, or none (default: all): {', '.join(NAMES)}",
    )


def _add_campaign(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--campaign",
        action="store_true",
        help="make the creation, change and deletion of every resource fail, one after the other",
    )
    group.add_argument(
        "--record",
        type=Path,
        help="file from which a campaign resumes (build/campaign/ENVIRONMENT.jsonl)",
    )
    group.add_argument("--page", type=Path, help="write the table to this Markdown file")
    group.add_argument("--jobs", type=int, help="faults to try in parallel (the number of cores)")
    group.add_argument(
        "--only",
        type=pattern,
        metavar="REGEX",
        help="only faults whose Stack/LogicalId, or 'between calls/NAME', contains this",
    )


OF: Final = {
    "nodes": ("accept", "node_fault"),
    "campaign": ("record", "page", "jobs", "only"),
    "": ("keep", "faults"),
}
"""Options of each kind of rehearsal."""
MOST_JOBS: Final = 256
"""Each is an emulated AWS with some 200 MB of memory."""


def _refuse_what_does_nothing(arguments: argparse.Namespace) -> None:
    """Refuse options of another rehearsal than the one that was asked for.

    A fault that is never planted would be a pass.
    """
    asked = [name for name in OF if name and getattr(arguments, name)]
    if len(asked) > 1:
        raise UsageError("--nodes and --campaign exclude each other; write one of them")
    for kind, options in OF.items():
        idle = [each for each in options if getattr(arguments, each) and [kind] != (asked or [""])]
        for each in idle:
            what = f"write --{kind} as well" if kind else f"leave out --{asked[0]}"
            raise UsageError(f"--{each.replace('_', '-')}: the option has no effect here; {what}")
    if arguments.jobs is not None and not 1 <= arguments.jobs <= MOST_JOBS:
        raise UsageError(f"--jobs: got {arguments.jobs!s:.20}; write 1 to {MOST_JOBS}")
    if arguments.accept and arguments.node_fault:
        raise UsageError("--node-fault: --accept injects no faults; leave out one of them")


def _faults(file: Path) -> "list[Rule]":
    from ultracluster.emulator.faults import read  # noqa: PLC0415

    try:
        return read(file)
    except ValueError as error:
        raise UsageError(str(error)) from error


def pattern(text: str) -> str:
    """Return a regular expression as it was given.

    Raises:
        ArgumentTypeError: where it is none.
    """
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error
    return text


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Deploy an environment to an emulated AWS, prove it, and take it down."""
    _refuse_what_does_nothing(arguments)
    spec, path = find(arguments.environment)
    if arguments.nodes:
        from ultracluster.rehearse.machine import command as nodes  # noqa: PLC0415

        if arguments.accept:
            need(EXTRAS["rehearse"])
            return nodes.accept(spec, path, console, as_json=arguments.json)
        names = tuple(arguments.node_fault or NAMES)
        return nodes.run(spec, path, console, names=names, as_json=arguments.json)
    need(EXTRAS["rehearse"])
    if arguments.campaign:
        from ultracluster.rehearse.campaign import command as campaign  # noqa: PLC0415

        return campaign.run(arguments, spec, path, console)
    # Imported here: what only deploys to AWS needs none of it installed.
    from ultracluster.aws import CloudError  # noqa: PLC0415
    from ultracluster.emulator.process import EmulatorError  # noqa: PLC0415
    from ultracluster.rehearse.cdk import Cdk, CdkError  # noqa: PLC0415
    from ultracluster.rehearse.display import Display  # noqa: PLC0415
    from ultracluster.rehearse.rehearsal import Rehearsal, RehearsalError  # noqa: PLC0415
    from ultracluster.synthesis import SynthesisError  # noqa: PLC0415

    if arguments.faults is not None and not _faults(arguments.faults) and not arguments.keep:
        raise UsageError(f"{arguments.faults}: there is no fault in it; write [{{...}}]")
    Cdk({})  # refuses before anything is started, where the CDK CLI is not installed
    # A document stands alone on standard output; what happens meanwhile is shown beside it.
    display = Display(new_console(stderr=True) if arguments.json else console)
    rehearsal = Rehearsal(spec, environment_file=path, display=display, faults=arguments.faults)
    code = ALL_WELL
    try:
        if rehearsal.run(keep=arguments.keep):
            display.note(f"{spec.name}: every check passed (emulated AWS).")
        else:
            display.fault(f"{spec.name}: some checks failed; see above")
            code = SOME_FAIL
    except EmulatorError as error:
        display.fault(str(error))
        code = COULD_NOT_RUN
    except (CdkError, RehearsalError, CloudError, SynthesisError) as error:
        display.fault(str(error))
        code = SOME_FAIL
    if arguments.json:
        print_json(display.document(spec, good=code == ALL_WELL))
    return code
