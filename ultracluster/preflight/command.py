"""The console command.

ultracluster preflight ENVIRONMENT [--recipe RECIPE ...] [--format json] [--only CHECK ...]

Exit code 2 also where a service gave no answer and nothing fails.
"""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console

from ultracluster.command_line import add_environment, add_format, add_recipe, progress
from ultracluster.environments import find
from ultracluster.exit_status import UsageError
from ultracluster.suggestions import did_you_mean

if TYPE_CHECKING:
    from ultracluster.audit.report import Report
    from ultracluster.preflight.preflight import Preflight

RULES: Final = "fabric-rules"
"""The one check that needs the environment's templates."""
SECONDS: Final = 12.0
"""For templates: a preflight is to end within 15 s, whatever else runs here."""
PATIENT_SECONDS: Final = 300.0
"""For templates where little else is looked at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_environment(parser)
    add_recipe(
        parser,
        "--recipe",
        action="append",
        default=[],
        metavar="RECIPE",
        help="a job that is to run on it, by name or Python file; may be given again",
    )
    add_format(parser)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        help="run this check alone; may be given again; a name that there is not lists them all",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    # Imported here: the command line imports this module, and boto3 takes its time.
    from ultracluster.preflight.display import as_json, show  # noqa: PLC0415

    found = _look(arguments)
    if arguments.json:
        text = as_json(found)
        console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
    else:
        show(found, console)
    return found.exit_status


def _look(arguments: argparse.Namespace) -> "Preflight":
    from ultracluster.audit.report import judged  # noqa: PLC0415
    from ultracluster.aws import Account  # noqa: PLC0415
    from ultracluster.input_files import Sources  # noqa: PLC0415
    from ultracluster.preflight.preflight import NAMES, preflight  # noqa: PLC0415
    from ultracluster.synthesis import Synthesis, SynthesisError  # noqa: PLC0415
    from ultracluster.train.recipe_files import find_recipe  # noqa: PLC0415

    for name in arguments.only:
        if name not in NAMES:
            raise UsageError(
                f"{name}: no such check{did_you_mean(name, NAMES)}; write one of {', '.join(NAMES)}"
            )
    spec, path = find(arguments.environment)
    recipes = [find_recipe(name) for name in arguments.recipe]
    account, now = Account(spec.region), datetime.now(UTC)
    if arguments.only and RULES not in arguments.only:
        with progress("asking AWS"):
            return preflight(spec, account, now, only=arguments.only, recipes=recipes)
    seconds = PATIENT_SECONDS if arguments.only else SECONDS

    def report() -> "Report":
        sources = Sources([str(synthesis.stage())])
        if sources.errors:
            raise SynthesisError("\n".join(sources.errors))
        return judged(sources, {}, spec.region, "error")

    with Synthesis(spec, path, seconds=seconds) as synthesis, progress("asking AWS"):
        return preflight(spec, account, now, only=arguments.only, templates=report, recipes=recipes)
