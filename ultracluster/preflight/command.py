"""The command `ultracluster preflight`; exit code 2 also where a service gave no answer."""

import argparse
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from ultracluster.audit.report import Report, judged
from ultracluster.aws import Account
from ultracluster.command_line import (
    add_environment,
    add_format,
    add_recipe,
    complete,
    print_json,
    progress,
)
from ultracluster.environments import find
from ultracluster.exit_status import UsageError
from ultracluster.input_files import Sources
from ultracluster.preflight.preflight import NAMES, Preflight, document, preflight, show
from ultracluster.suggestions import did_you_mean
from ultracluster.synthesis import Synthesis, SynthesisError
from ultracluster.train.recipe_files import find_recipe

RULES: Final = "fabric-rules"
"""The only check that needs the environment's templates."""
SECONDS: Final = 12.0
"""Time limit for templates, in seconds: a preflight should end within 15 s."""
PATIENT_SECONDS: Final = 300.0
"""Time limit for templates if `--only` asks for this check, in seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_recipe(
        parser,
        "--recipe",
        action="append",
        default=[],
        metavar="RECIPE",
        help="a recipe to check as well, by name or Python file; may be repeated",
    )
    add_format(parser)
    only = parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        help="run only this check; may be repeated; a wrong name lists all checks",
    )
    complete(only, lambda: NAMES)


def run(arguments: argparse.Namespace, console: Console) -> int:
    found = _look(arguments)
    if arguments.json:
        print_json(document(found))
    else:
        show(found, console)
    return found.exit_status


def _look(arguments: argparse.Namespace) -> Preflight:
    for name in arguments.only:
        if name not in NAMES:
            raise UsageError(
                f"{name}: no such check{did_you_mean(name, NAMES)}; write one of {', '.join(NAMES)}"
            )
    spec, path = find(arguments.environment)
    recipes = [find_recipe(name) for name in arguments.recipe]
    account, now = Account(spec.region, account=spec.account), datetime.now(UTC)
    if arguments.only and RULES not in arguments.only:
        with progress("asking AWS"):
            return preflight(spec, account, now, only=arguments.only, recipes=recipes)
    seconds = PATIENT_SECONDS if arguments.only else SECONDS

    def report() -> Report:
        sources = Sources([str(synthesis.stage())])
        if sources.errors:
            raise SynthesisError("\n".join(sources.errors))
        return judged(sources, {}, spec.region, "error")

    with Synthesis(spec, path, seconds=seconds) as synthesis, progress("asking AWS"):
        return preflight(spec, account, now, only=arguments.only, templates=report, recipes=recipes)
