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
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console
from rich.table import Table

from ultracluster.audit import command as audit
from ultracluster.cost import command as cost
from ultracluster.environments import UsageError, find, find_all, registered
from ultracluster.exit_status import ALL_WELL, INTERRUPTED, SOME_FAIL
from ultracluster.plan import command as plan
from ultracluster.preflight import command as preflight
from ultracluster.review import command as review
from ultracluster.spec.problem import EnvironmentFileError, SpecError
from ultracluster.train import command as train

WIDTH: Final = 120
Run = Callable[[argparse.Namespace, Console], int]


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
    return ALL_WELL


def rehearse(arguments: argparse.Namespace, console: Console) -> int:
    """Deploy an environment to an emulated AWS, prove it, and take it down."""
    # Imported here: what only deploys to AWS needs none of it installed.
    from ultracluster.aws import CloudError  # noqa: PLC0415
    from ultracluster.emulator.faults import read  # noqa: PLC0415
    from ultracluster.emulator.process import EmulatorError  # noqa: PLC0415
    from ultracluster.rehearse.cdk import ROOT, CdkError, CdkMissingError  # noqa: PLC0415
    from ultracluster.rehearse.display import Display  # noqa: PLC0415
    from ultracluster.rehearse.rehearsal import Rehearsal, RehearsalError  # noqa: PLC0415

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
        return SOME_FAIL
    if not good:
        display.fault(f"{spec.name}: not all that was asked for is as it must be; see above")
        return SOME_FAIL
    display.note(f"{spec.name}: everything that was asked for was there (emulated AWS).")
    return ALL_WELL


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    root = argparse.ArgumentParser(
        prog="ultracluster", description="EC2 UltraCluster training environments on AWS."
    )
    commands = root.add_subparsers(dest="command", required=True)

    def command(name: str, says: str, run: Run) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=says)
        added.set_defaults(run=run)
        return added

    checked = command("check", "say whether environments can work", check)
    checked.add_argument("environment", nargs="*", help="a name, or the path of a Python file")
    rehearsed = command(
        "rehearse", "deploy to an emulated AWS by the real CDK CLI, prove it, destroy it", rehearse
    )
    rehearsed.add_argument("environment", help="a name, or the path of a Python file")
    rehearsed.add_argument(
        "--keep", action="store_true", help="leave it up until Ctrl-C, to look at with any SDK"
    )
    rehearsed.add_argument(
        "--faults", type=Path, help="JSON file of faults that the emulated AWS is to have"
    )
    preflight.add_arguments(
        command(
            "preflight",
            "say what the account lacks for an environment; changes nothing",
            preflight.run,
        )
    )
    cost.add_arguments(command("cost", "say what an environment costs, full and idle", cost.run))
    audit.add_arguments(
        command("audit", "judge any CloudFormation template by the fabric rules", audit.run)
    )
    train.add_arguments(
        command("train", "start SageMaker training jobs, and follow them", train.run)
    )
    plan.add_arguments(
        command("plan", "say what a model takes to train: nodes, layout, days, money", plan.run)
    )
    review.add_arguments(
        command("review", "what is built, what changes and what it risks, on one page", review.run),
        find,
    )
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
        return SOME_FAIL
    except (EnvironmentFileError, UsageError) as error:
        faults.print(f"ERROR {error}", markup=False)
        return SOME_FAIL
    except KeyboardInterrupt:
        faults.print("\nInterrupted; everything that was started has been stopped.")
        return INTERRUPTED
    return status


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
