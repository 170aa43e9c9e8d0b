"""The console command.

ultracluster preflight ENVIRONMENT [--recipe RECIPE ...] [--json] [--only CHECK ...]

Exit status 0 where everything passes or is skipped, 1 where something fails, 2 where it could not
be found out: no environment, no such check, no credentials, no endpoint, or a service that gave no
answer.
"""

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console

from ultracluster.environments import UsageError, find
from ultracluster.exit_status import COULD_NOT_RUN

if TYPE_CHECKING:
    from ultracluster.preflight.preflight import Preflight

RULES: Final = "fabric-rules"
"""The one check that needs the environment's templates."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", help="a name, or the path of a Python file")
    parser.add_argument(
        "--recipe",
        action="append",
        default=[],
        metavar="RECIPE",
        help="a job that is to run on it, by name or Python file; may be given again",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        help="run this check alone; may be given again; a name that there is not lists them all",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    # Imported here: the command line imports this module, and boto3 takes its time.
    from ultracluster.aws import CloudError  # noqa: PLC0415
    from ultracluster.preflight.display import as_json, show  # noqa: PLC0415
    from ultracluster.preflight.preflight import CannotRunError  # noqa: PLC0415
    from ultracluster.spec.loading import EnvironmentFileError  # noqa: PLC0415
    from ultracluster.spec.problem import SpecError  # noqa: PLC0415

    try:
        found = _look(arguments)
    except SpecError as error:
        return _could_not(arguments, console, *map(str, error.problems))
    except (EnvironmentFileError, UsageError, CloudError, CannotRunError) as error:
        return _could_not(arguments, console, str(error))
    if arguments.json:
        _print_json(console, as_json(found))
    else:
        show(found, console)
    return found.exit_status


def _look(arguments: argparse.Namespace) -> "Preflight":
    from ultracluster.aws import Account  # noqa: PLC0415
    from ultracluster.preflight.preflight import NAMES, preflight  # noqa: PLC0415
    from ultracluster.preflight.synthesis import PATIENT_SECONDS, Synthesis  # noqa: PLC0415
    from ultracluster.train.recipe_files import find_recipe  # noqa: PLC0415

    for name in arguments.only:
        if name not in NAMES:
            raise UsageError(f"{name}: no such check; write one of {', '.join(NAMES)}")
    spec, path = find(arguments.environment)
    recipes = [find_recipe(name) for name in arguments.recipe]
    account, now = Account(spec.region), datetime.now(UTC)
    if arguments.only and RULES not in arguments.only:
        return preflight(spec, account, now, only=arguments.only, recipes=recipes)
    patient = PATIENT_SECONDS if arguments.only else None
    with Synthesis(spec, path, seconds=patient) as synthesis:
        return preflight(
            spec,
            account,
            now,
            only=arguments.only,
            templates=synthesis.report,
            recipes=recipes,
        )


def _could_not(arguments: argparse.Namespace, console: Console, *reasons: str) -> int:
    faults = Console(stderr=True, soft_wrap=True, highlight=False)
    for reason in reasons:
        faults.print(f"ERROR {reason}", markup=False)
    if arguments.json:
        document = {
            "environment": arguments.environment,
            "exit_status": COULD_NOT_RUN,
            "errors": list(reasons),
        }
        _print_json(console, json.dumps(document, indent=2))
    return COULD_NOT_RUN


def _print_json(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
