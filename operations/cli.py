"""The console command.

ultracluster check [ENVIRONMENT ...]
ultracluster rehearse ENVIRONMENT [--keep]
ultracluster preflight ENVIRONMENT [--json]
ultracluster cost ENVIRONMENT [--json] [--refresh]
ultracluster audit FILE ... [--format table|json|sarif|junit]
ultracluster train submit|check|status|logs|stop|list|recipes ...
ultracluster review ENVIRONMENT | FILE ... | cdk.out [--baseline ...] [--fail-on CLASS]
ultracluster plan --parameters N --tokens N [--instance TYPE] [--nodes N | --days N | --budget USD]
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from rich.console import Console
from rich.table import Table

from constructs_lib.spec.problem import EnvironmentFileError, SpecError
from operations.audit import command as audit
from operations.cost import command as cost
from operations.plan import command as plan
from operations.preflight import command as preflight
from operations.review import command as review
from operations.training import command as train

if TYPE_CHECKING:
    from constructs_lib.spec.environment import EnvironmentSpec

INTERRUPTED: Final = 130
WIDTH: Final = 120


class UsageError(ValueError):
    """A command that cannot be carried out as it was given."""


def find_all(name: str) -> tuple[tuple["EnvironmentSpec", ...], Path | None]:
    """Return an environment by its name, or all those of a Python file by its path.

    Raises:
        UsageError: where there is no such environment.
        SpecError: where one cannot work, with every problem.
        EnvironmentFileError: where the file holds none.
    """
    path = find_path(name)
    if path is not None:
        # Imported here: what needs no environment need not wait for pydantic.
        from constructs_lib.spec.loading import load  # noqa: PLC0415

        # What a file imports from here to build on is not what it is about.
        ours = {id(spec) for spec in registered()}
        found = tuple(spec for spec in load(path) if id(spec) not in ours)
        if not found:
            raise UsageError(f"{name}: it holds no environment of its own; write one")
        return found, path
    return (find_registered(name),), None


def find_path(name: str) -> Path | None:
    """Return the file that is meant, or None for the name of an environment."""
    return Path(name) if name.endswith(".py") or "/" in name else None


def find_registered(name: str) -> "EnvironmentSpec":
    """Return an environment of this repository by its name.

    Raises:
        UsageError: where there is no such environment.
        SpecError: where one of the repository cannot work.
    """
    known = {spec.name: spec for spec in registered()}
    if name not in known:
        raise UsageError(
            f"{name}: no such environment; write {', '.join(known)} or the path of a Python file"
        )
    return known[name]


def find(name: str) -> tuple["EnvironmentSpec", Path | None]:
    """Return the one environment that a name or a file stands for.

    Raises:
        UsageError: where there is none, or a file holds several.
    """
    found, path = find_all(name)
    if len(found) > 1:
        names = ", ".join(spec.name for spec in found)
        raise UsageError(f"{name}: it holds {names}; name a file that holds one of them alone")
    return found[0], path


def registered() -> tuple["EnvironmentSpec", ...]:
    """Return the environments of this repository."""
    environments: tuple[EnvironmentSpec, ...]
    environments = importlib.import_module("environments").ENVIRONMENTS
    return environments


def check(arguments: argparse.Namespace, console: Console) -> int:
    """Say that environments can work, and what they hold."""
    names = arguments.environment or [spec.name for spec in registered()]
    table = Table()
    for column, side in (
        ("environment", "left"),
        ("zone", "left"),
        ("nodes", "right"),
        ("accelerators", "right"),
        ("Gbps a node", "right"),
        ("Lustre TiB", "right"),
        ("GB/s", "right"),
        ("addresses", "right"),
    ):
        table.add_column(column, justify="right" if side == "right" else "left")
    for spec in (spec for name in names for spec in find_all(name)[0]):
        tib = spec.storage.tebibytes
        table.add_row(
            spec.name,
            spec.availability_zone_id,
            f"{spec.nodes.count:,}",
            spec.nodes.instance.accelerator.total(spec.nodes.count),
            f"{spec.nodes.instance.network_cards.gbps:,.0f}",
            "elastic" if tib is None else f"{tib:,.1f}",
            f"{spec.storage.throughput_gbps:,.2f}",
            f"{sum(spec.address_demand().values()):,} of {spec.network.training_addresses:,}",
        )
    console.print(table)
    return 0


def rehearse(arguments: argparse.Namespace, console: Console) -> int:
    """Deploy an environment to an emulated AWS, prove it, and take it down."""
    # Imported here: what only deploys to AWS needs none of it installed.
    from operations.aws import CloudError  # noqa: PLC0415
    from operations.emulator.faults import read  # noqa: PLC0415
    from operations.emulator.process import EmulatorError  # noqa: PLC0415
    from operations.rehearsal.cdk import ROOT, CdkError, CdkMissingError  # noqa: PLC0415
    from operations.rehearsal.display import Display  # noqa: PLC0415
    from operations.rehearsal.rehearsal import Rehearsal, RehearsalError  # noqa: PLC0415

    spec, path = find(arguments.environment)
    if not (ROOT / "cdk.json").exists() or find_spec("ministack") is None:
        raise UsageError(
            "a rehearsal needs the repository and what it installs; run "
            f"`make rehearse ENV={arguments.environment}` in a clone of it"
        )
    if arguments.faults is not None:
        try:
            read(arguments.faults)
        except ValueError as error:
            raise UsageError(str(error)) from error
    display = Display(console)
    rehearsal = Rehearsal(spec, environment_file=path, display=display, faults=arguments.faults)
    try:
        good = rehearsal.run(keep=arguments.keep)
    except (CdkError, CdkMissingError, EmulatorError, RehearsalError, CloudError) as error:
        display.fault(str(error))
        return 1
    if not good:
        display.fault(f"{spec.name}: not all that was asked for is as it must be; see above")
        return 1
    display.note(f"{spec.name}: everything that was asked for was there (emulated AWS).")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    root = argparse.ArgumentParser(
        prog="ultracluster", description="EC2 UltraCluster training environments on AWS."
    )
    commands = root.add_subparsers(dest="command", required=True)
    one = commands.add_parser("check", help="say whether environments can work")
    one.add_argument("environment", nargs="*", help="a name, or the path of a Python file")
    one.set_defaults(run=check)
    two = commands.add_parser(
        "rehearse", help="deploy to an emulated AWS by the real CDK CLI, prove it, destroy it"
    )
    two.add_argument("environment", help="a name, or the path of a Python file")
    two.add_argument(
        "--keep", action="store_true", help="leave it up until Ctrl-C, to look at with any SDK"
    )
    two.add_argument(
        "--faults", type=Path, help="JSON file of faults that the emulated AWS is to have"
    )
    two.set_defaults(run=rehearse)
    three = commands.add_parser(
        "preflight", help="say what the account lacks for an environment; changes nothing"
    )
    preflight.add_arguments(three)
    three.set_defaults(run=preflight.run)
    five = commands.add_parser("cost", help="say what an environment costs, full and idle")
    cost.add_arguments(five)
    five.set_defaults(run=cost.run)
    four = commands.add_parser(
        "audit", help="judge any CloudFormation template by the fabric rules"
    )
    audit.add_arguments(four)
    four.set_defaults(run=audit.run)
    seven = commands.add_parser("train", help="start SageMaker training jobs, and follow them")
    train.add_arguments(seven)
    seven.set_defaults(run=train.run)
    six = commands.add_parser(
        "plan", help="say what a model takes to train: nodes, layout, days, money"
    )
    plan.add_arguments(six)
    six.set_defaults(run=plan.run)
    seven = commands.add_parser(
        "review", help="what is built, what changes and what it risks, on one page"
    )
    review.add_arguments(seven, find)
    seven.set_defaults(run=review.run)
    return root


def terminal() -> Console:
    """Return standard output; a file or a pipe is as wide as a table wants to be."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def main(given: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 for a problem, or 130 where it was interrupted."""
    words = list(sys.argv[1:] if given is None else given)
    root = parser()
    if words[:1] == ["plan"]:
        root.error = plan.one_line  # type: ignore[method-assign]
        words = plan.joined(words)
    arguments = root.parse_args(words)
    console, faults = terminal(), Console(stderr=True, soft_wrap=True, highlight=False)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    try:
        status: int = arguments.run(arguments, console)
    except SpecError as error:
        for problem in error.problems:
            faults.print(f"ERROR {problem}", markup=False)
        count = len(error.problems)
        faults.print(f"{count} problem{'s' if count > 1 else ''}; nothing was synthesized.")
        return 1
    except (EnvironmentFileError, UsageError) as error:
        faults.print(f"ERROR {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        faults.print("\nInterrupted; everything that was started has been stopped.")
        return INTERRUPTED
    return status


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
