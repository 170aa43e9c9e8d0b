"""The command `ultracluster accept`: the first hour on a real account.

Exit code 1 where a step failed or something is left; 2 where not all was seen: a stage was declined
or does not apply, the caller may not ask, or nobody answered.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.accept.journal import Journal, clean_up
from ultracluster.accept.report import document, page
from ultracluster.accept.scene import Scene
from ultracluster.accept.session import STAGES, Say, Session
from ultracluster.aws import Account, caller_of
from ultracluster.command_line import (
    add_environment,
    add_format,
    made_folder,
    print_json,
    progress,
    say,
    write_output,
)
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, INTERRUPTED, SOME_FAIL, UsageError
from ultracluster.prove.deployment import Deployment, stack_templates
from ultracluster.safe_output import console as new_console
from ultracluster.synthesis import Synthesis

ALL: Final = "all"
MOST_PATIENCE: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_format(parser)
    parser.add_argument(
        "--stage",
        choices=(*(stage.name for stage in STAGES), ALL),
        default=ALL,
        help=f"stages to run ({ALL}, in this order)",
    )
    parser.add_argument("--yes", action="store_true", help="start every stage without confirmation")
    parser.add_argument(
        "--clean-up", action="store_true", help="delete what an earlier run left, and exit"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of report and journal, to keep between runs (build/accept/ENVIRONMENT)",
    )
    parser.add_argument("--user", default="ubuntu", help="Unix user that submits jobs (ubuntu)")
    parser.add_argument(
        "--program",
        default="/fsx/ultracluster",
        help="folder that prepare.sh made on the shared file system (/fsx/ultracluster)",
    )
    parser.add_argument("--image", default="", help="image of the SageMaker canary")
    parser.add_argument("--patience", type=float, default=1.0, help="factor for time limits (1)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Start little, measure it, and take it down again; write a report."""
    if not 0 < arguments.patience <= MOST_PATIENCE:
        fix = f"write more than 0, at most {MOST_PATIENCE}"
        raise UsageError(f"--patience: got {arguments.patience:g}; {fix}")
    # A document stands alone on standard output; what happens meanwhile is shown beside it.
    shown = new_console(stderr=True) if arguments.json else console
    tell = partial(say, shown)
    with _scene(arguments) as scene:
        tell(f"{scene.spec.name} in {scene.caller.place}, as {scene.caller.arn}")
        if arguments.clean_up:
            return SOME_FAIL if clean_up(scene, tell) else ALL_WELL
        if scene.journal.entries:
            raise UsageError(
                f"{scene.journal.path}: {len(scene.journal.entries)} things of an earlier run are "
                f"there; run ultracluster accept {arguments.environment} --clean-up first"
            )
        session = Session(scene, tell, lambda stage: arguments.yes or _consents(stage))
        stages = [each for each in STAGES if arguments.stage in (ALL, each.name)]
        try:
            session.run(stages)
        except KeyboardInterrupt:
            if not session.left:
                raise
            return INTERRUPTED
        finally:
            _write(session, scene.journal.path.parent, tell, as_json=arguments.json)
    return session.status


@contextmanager
def _scene(arguments: argparse.Namespace) -> Iterator[Scene]:
    """Yield the environment in its account, while its templates are there."""
    spec, path = find(arguments.environment)
    cloud = Account(spec.region, account=spec.account)
    folder = made_folder(arguments.output or Path("build", "accept", spec.name))
    with Synthesis(spec, path) as synthesis:
        with progress("synthesizing, and asking AWS"):
            caller = caller_of(cloud, spec.region)
            templates = stack_templates(synthesis.stage().parent, spec.name)
            deployment = Deployment(cloud, templates)
        yield Scene(
            spec=spec,
            cloud=cloud,
            caller=caller,
            deployment=deployment,
            journal=Journal(folder / "journal.json"),
            run=f"accept-{secrets.token_hex(3)}",
            user=arguments.user,
            program=arguments.program,
            image=arguments.image,
            patience=arguments.patience,
        )


def _consents(stage: str) -> bool:
    """Ask on standard error; without a person who answers, nothing is started."""
    sys.stderr.write(f"Start {stage}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _write(session: Session, folder: Path, tell: Say, *, as_json: bool) -> None:
    found = document(session)
    write_output(folder / "report.json", f"{json.dumps(found, indent=2)}\n", "--output")
    write_output(folder / "report.html", page(session), "--output")
    if as_json:
        print_json(found)
    verdicts = [result.verdict for result in session.results]
    tell(
        f"\n{session.scene.spec.name}: {verdicts.count('pass')} of {len(verdicts)} steps pass; "
        f"report: {folder / 'report.html'}, {folder / 'report.json'}"
    )
    if session.left:
        tell(
            f"{len(session.left)} things are still there; when the account answers again run "
            f"ultracluster accept {session.scene.spec.name} --clean-up"
        )
