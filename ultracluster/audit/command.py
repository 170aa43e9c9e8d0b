"""The command `ultracluster audit`.

ultracluster audit FILE... [--parameter NAME=VALUE] [--region us-east-1] [--fail-on warning]
                   [--format text|table|json|sarif|junit] [--output FILE] [--show-unknown]

Exit codes: 0 where nothing was found at or above `--fail-on`, 1 where something was, 2 where a file
could not be read.

A file is a template, a cdk.out directory, or a file that starts jobs: a script of sbatch or the
shell, a Dockerfile, a request to SageMaker, or a file of variables.
"""

import argparse
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.command_line import (
    STANDARD_OUTPUT,
    add_format,
    complete,
    parameters_of,
    progress,
    write_output,
)
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, UsageError
from ultracluster.safe_output import console as new_console
from ultracluster.safe_output import printed, visible
from ultracluster.untrusted_file import bounded

FORMATS: Final = ("text", "table", "json", "sarif", "junit")
FAIL_ON: Final = ("error", "warning", "info", "never")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="*",
        help="a template (JSON or YAML), STACK=FILE to name its stack, a cdk.out directory, or a "
        "job file: sbatch or shell script, Dockerfile, CreateTrainingJob request, variables",
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a template parameter; TEMPLATE:NAME=VALUE for a single template",
    )
    parser.add_argument("--region", help="Region of templates that do not name one")
    add_format(parser, FORMATS)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(STANDARD_OUTPUT),
        metavar="FILE",
        help="file to write; - is standard output",
    )
    parser.add_argument(
        "--fail-on",
        choices=FAIL_ON,
        default="error",
        help="lowest severity that gives exit code 1 (error)",
    )
    parser.add_argument(
        "--show-unknown",
        action="store_true",
        help="also list what rules cannot tell from the templates",
    )
    explain = "print the description of a rule, and exit"
    complete(parser.add_argument("--explain", metavar="RULE", help=explain), _rules)


def _rules() -> Iterable[str]:
    from ultracluster.rules.engine import RULES  # noqa: PLC0415  (judging alone needs it)

    return RULES


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.explain is not None:
        from ultracluster.rules.engine import explanation  # noqa: PLC0415

        try:
            sys.stdout.write(f"{explanation(arguments.explain)}\n")
        except LookupError as error:
            raise UsageError(f"--explain: {error.args[0]}") from None
        return ALL_WELL
    if not arguments.file:
        raise UsageError("name a template or a job file, or --explain RULE")
    parameters = parameters_of(arguments.parameter)
    with bounded("audit"):
        return _audited(arguments, console, parameters)


def _audited(arguments: argparse.Namespace, console: Console, parameters: dict[str, str]) -> int:
    # Imported here: the command line is read before anything that takes time is loaded.
    from ultracluster.audit import formats, text  # noqa: PLC0415
    from ultracluster.audit.report import judged  # noqa: PLC0415
    from ultracluster.input_files import Sources, parameter_errors  # noqa: PLC0415

    with progress("reading files"):
        sources = Sources(arguments.file)
    wrong = list(parameter_errors(parameters, sources.templates))
    if wrong or not sources.templates:
        raise UsageError("\n".join([*sources.errors, *wrong]))

    with progress("judging"):
        report = judged(sources, parameters, arguments.region, arguments.fail_on)
    to_console = str(arguments.output) == STANDARD_OUTPUT
    written = io.StringIO()
    out = console if to_console else new_console(file=written, width=console.width)
    programs = {"json": formats.machine, "sarif": formats.sarif, "junit": formats.junit}
    people = {"text": text.text, "table": text.table}
    shown, unknown = arguments.format, arguments.show_unknown
    if shown in people:
        people[shown](report, out, show_unknown=unknown)
    else:
        # A file has its names as they are; the runner of a workflow obeys what is printed.
        clean = printed if to_console else visible
        out.file.write(f"{clean(programs[shown](report, show_unknown=unknown))}\n")
    if not to_console:
        write_output(arguments.output, written.getvalue(), "--output")
    # What could be read is judged, and what could not is no reason to call all well.
    sys.stderr.writelines(f"ERROR {line}\n" for line in report.not_judged)
    if sources.errors:
        return COULD_NOT_RUN
    return SOME_FAIL if report.failed else ALL_WELL
