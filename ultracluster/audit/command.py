"""The command `ultracluster audit`.

ultracluster audit FILE... [--parameter NAME=VALUE] [--region us-east-1] [--fail-on warning]
                   [--format text|table|json|sarif|junit] [--output FILE] [--show-unknown]

Exit codes: 0 where nothing was found at or above `--fail-on`, 1 where something was, 2 where a file
could not be read.

A file is a template, a cdk.out directory, or a file that starts jobs: a script of sbatch or the
shell, a Dockerfile, a request to SageMaker, a job definition of Batch, a manifest of Kubernetes, or
a file of variables.
"""

import argparse
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from ultracluster.command_line import progress
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL

if TYPE_CHECKING:
    from ultracluster.audit.report import Report

FORMATS: Final = ("text", "table", "json", "sarif", "junit")
WRITERS: Final = {"json": "machine", "sarif": "sarif", "junit": "junit"}
"""Modules that write for programs; the other formats are for people."""
FAIL_ON: Final = ("error", "warning", "info", "never")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="+",
        help="a template (JSON or YAML), STACK=FILE to name its stack, a cdk.out directory, or a "
        "job file: sbatch or shell script, Dockerfile, CreateTrainingJob request, manifest",
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a template parameter; TEMPLATE:NAME=VALUE for one template alone",
    )
    parser.add_argument("--region", help="where templates go that do not say it themselves")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="text: one line a finding (default)"
    )
    parser.add_argument(
        "--json", action="store_const", dest="format", const="json", help="as --format json"
    )
    parser.add_argument(
        "--output", default="-", metavar="FILE", help="where to write; - is standard output"
    )
    parser.add_argument(
        "--fail-on",
        choices=FAIL_ON,
        default="error",
        help="least severity that makes the exit code 1 (error)",
    )
    parser.add_argument(
        "--show-unknown", action="store_true", help="also list what the templates leave open"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    # Imported here: the command line is read before anything that takes time is loaded.
    from ultracluster.input_files import Sources, parameter_errors  # noqa: PLC0415

    parameters: dict[str, str] = {}
    errors: list[str] = []
    for written in arguments.parameter:
        name, separator, value = written.partition("=")
        if separator and name:
            parameters[name] = value
        else:
            errors.append(f"--parameter {written}: write NAME=VALUE")
    with progress("reading files"):
        sources = Sources(arguments.file)
    errors.extend(sources.errors)
    if not sources.errors:
        errors.extend(parameter_errors(parameters, sources.templates))
    if errors:
        _complain(errors)
        return COULD_NOT_RUN

    from ultracluster.audit.judgement import judged  # noqa: PLC0415

    with progress("judging"):
        report = judged(sources, parameters, arguments.region, arguments.fail_on)
    try:
        if arguments.output == "-":
            _write(arguments, report, console)
        else:
            with Path(arguments.output).open("w", encoding="utf-8") as file:
                _write(arguments, report, Console(file=file, width=console.width))
    except OSError as error:
        _complain([f"--output {arguments.output}: {error.strerror}; write the path of a file"])
        return COULD_NOT_RUN
    return SOME_FAIL if report.failed else ALL_WELL


def _write(arguments: argparse.Namespace, report: "Report", console: Console) -> None:
    # Only the writer that is asked for is loaded, by the name of its format.
    if arguments.format in WRITERS:
        writer = importlib.import_module(f"ultracluster.audit.{WRITERS[arguments.format]}")
        console.file.write(f"{writer.write(report, show_unknown=arguments.show_unknown)}\n")
    else:
        writer = importlib.import_module(f"ultracluster.audit.{arguments.format}")
        writer.write(report, console, show_unknown=arguments.show_unknown)


def _complain(errors: Iterable[str]) -> None:
    console = Console(file=sys.stderr, soft_wrap=True, highlight=False)
    for error in errors:
        console.print(f"ERROR {error}", markup=False)
