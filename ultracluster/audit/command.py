"""The command `ultracluster audit`.

ultracluster audit FILE... [--parameter NAME=VALUE] [--region us-east-1] [--fail-on warning]
                   [--format table|json|sarif|junit] [--show-unknown]

Exit codes: 0 where nothing was found at or above `--fail-on`, 1 where something was, 2 where the
audit could not run.

A file is a template, a cdk.out directory, or a file that starts jobs: a script of sbatch or the
shell, a Dockerfile, a request to SageMaker, Batch or ECS in JSON, a manifest of Kubernetes, a file
of variables.
"""

import argparse
import importlib
import sys
from collections.abc import Iterable
from typing import Final

from rich.console import Console

WRITERS: Final = {"table": "table", "json": "machine", "sarif": "sarif", "junit": "junit"}
FAIL_ON: Final = ("error", "warning", "info", "never")
CLEAN, FOUND, CANNOT_RUN = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
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
    parser.add_argument("--format", choices=tuple(WRITERS), default="table")
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
    """Judge templates by every rule and print what was found."""
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
    sources = Sources(arguments.file)
    errors.extend(sources.errors)
    if not sources.errors:
        errors.extend(parameter_errors(parameters, sources.templates))
    if errors:
        _complain(errors)
        return CANNOT_RUN

    from ultracluster.audit.judgement import judged  # noqa: PLC0415

    report = judged(sources, parameters, arguments.region, arguments.fail_on)
    if arguments.format == "table":
        from ultracluster.audit import table  # noqa: PLC0415

        table.write(report, console, show_unknown=arguments.show_unknown)
    else:
        # Only the writer that is asked for is loaded, by the name of its format.
        writer = importlib.import_module(f"ultracluster.audit.{WRITERS[arguments.format]}")
        console.file.write(f"{writer.write(report, show_unknown=arguments.show_unknown)}\n")
    return FOUND if report.failed else CLEAN


def _complain(errors: Iterable[str]) -> None:
    console = Console(file=sys.stderr, soft_wrap=True, highlight=False)
    for error in errors:
        console.print(f"ERROR {error}", markup=False)
