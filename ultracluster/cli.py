"""The command `ultracluster`."""

# PYTHON_ARGCOMPLETE_OK

import argparse
import importlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ultracluster.command_line import Parser, RawHelp, not_installed, print_json
from ultracluster.exit_status import (
    ALL_WELL,
    COULD_NOT_RUN,
    INTERRUPTED,
    MEANINGS,
    UNEXPECTED,
    explained,
)
from ultracluster.safe_output import clean_output, console
from ultracluster.untrusted_file import EffortError

if TYPE_CHECKING:
    from rich.console import Console

COMMANDS: Final = {
    "init": "write a project of your own, and say what to do next",
    "check": "check environments, and show what they contain",
    "cost": "show what an environment costs, at full size and idle",
    "preflight": "check whether the account is ready for an environment; changes nothing",
    "prove": "check that the deployed resources are what the environment asks for; changes nothing",
    "retry": "after a failed deployment: show what each stack needs before the next one",
    "deliver": "prepare a change of a deployed environment for approval, and execute it",
    "accept": "the first hour on a real account: start few nodes, measure, delete them",
    "image": "compare the newest machine image to the environment's, and write its id",
    "rehearse": "deploy to an emulated AWS with the real CDK CLI, check every resource, destroy "
    "all",
    "audit": "check any CloudFormation template by the fabric rules",
    "review": "show what an environment creates, what changes and the risks, on one page",
    "plan": "estimate what training a model needs: nodes, layout, days, cost",
    "capacity": "show Capacity Blocks and training plans that fit a planned run; buys nothing",
    "dashboards": "write an environment's dashboards, for Grafana or as HTML pages",
    "waste": "show who uses the nodes, and which paid hours nobody uses",
    "train": "start training jobs, and follow them",
}
"""The commands; each is imported from `command.py` in its folder when it is used."""

WIDTH: Final = 120
"""Columns of a file or a pipe."""
NEGATIVE: Final = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
TRACEBACK: Final = "ULTRACLUSTER_TRACEBACK"
LONGEST: Final = 2_000
MOST_LINES: Final = 200
"""Characters of an error, and errors, that are printed: a file may have as many as it has lines."""


def parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the command line, with the arguments of the one command that the words name."""
    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in MEANINGS.items())
    root = Parser(
        prog="ultracluster",
        description="EC2 UltraCluster training environments on AWS.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=RawHelp,
    )
    # To know it takes a tenth of a second.
    version = _version() if any(word.startswith("--v") for word in words) else ""
    root.add_argument("--version", action="version", version=f"ultracluster {version}")
    root.add_argument("--debug", action="store_true", help="show the trace of an unexpected error")
    commands = root.add_subparsers(dest="command", metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, says in COMMANDS.items():
        added = commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")
        if name == asked:
            module = importlib.import_module(f"ultracluster.{name}.command")
            module.add_arguments(added)
            added.set_defaults(run=module.run)
    return root


def main(given: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete  # noqa: PLC0415  (only a shell that completes needs it)

        argcomplete.autocomplete(parser(os.environ.get("COMP_LINE", "").split()[1:]))
    with clean_output():
        return _run(_with_negative_numbers(sys.argv[1:] if given is None else given))


def _run(words: Sequence[str]) -> int:
    status = ALL_WELL
    # Also of a command line that cannot be read, a program reads why.
    as_json = re.search(r"(?<!\S)--(format[= ])?json(?!\S)", " ".join(words)) is not None
    arguments = argparse.Namespace(command=None, debug=False, json=as_json)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # as Ctrl-C
    try:
        root = parser(words)  # imports the command, which may take a while
        root.parse_args(words, arguments)
        if arguments.command is None:
            root.print_help()
        else:
            arguments.json = getattr(arguments, "format", None) == "json"
            status = arguments.run(arguments, terminal())
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        line = f"Interrupted; {str(error) or 'everything that was started has been stopped'}."
        sys.stderr.write(f"\n{line}\n")
        if arguments.json:
            print_json({"errors": [line], "exit_status": INTERRUPTED})
        return INTERRUPTED
    except BrokenPipeError:
        _print_no_more()  # whoever reads has read enough, as `head` does
        return ALL_WELL
    except (Exception, EffortError) as error:  # noqa: BLE001  (a user is told of it in one line)
        status = _refuse(error, arguments)
        try:
            sys.stdout.flush()
        except OSError:  # no room there; a report's file may be on a disk of its own
            _print_no_more()
    return status


def _print_no_more() -> None:
    """Redirect further output to /dev/null, because the output cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def terminal() -> "Console":
    """Return standard output; a file or a pipe is as wide as a table wants to be."""
    found = console()
    if found.is_terminal or "COLUMNS" in os.environ:
        return found
    return console(width=WIDTH)


def _with_negative_numbers(given: Sequence[str]) -> list[str]:
    """Return a command line with negative numbers tied to their option.

    argparse takes `-1e9` for an option of its own; here it shall be read, and refused as a number.
    """
    found: list[str] = []
    for word in given:
        if NEGATIVE.match(word) and found and found[-1].startswith("--") and "=" not in found[-1]:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _refuse(error: BaseException, arguments: argparse.Namespace) -> int:
    """Print an error as lines for a user, and as JSON where that was asked for."""
    known = explained(error)
    if isinstance(error, ModuleNotFoundError) and (how := not_installed(str(error.name))):
        known = [f"{arguments.command}: {how}"], COULD_NOT_RUN
    if known is None:
        if arguments.debug or os.environ.get(TRACEBACK):
            raise error
        report = (
            f"{type(error).__name__}: {error!s:.500}; this is a defect of ultracluster "
            f"{_version()}: please report it, with the command and what {TRACEBACK}=1 shows of it"
        )
        known = [" ".join(report.split())], UNEXPECTED
    every, code = known
    lines = [
        line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in every[:MOST_LINES]
    ]
    if len(every) > MOST_LINES:
        lines.append(f"and {len(every) - MOST_LINES:,} more")
    with suppress(OSError):  # no room, or nobody who reads
        sys.stderr.writelines(f"ERROR {line}\n" for line in lines)
    if arguments.json:
        with suppress(OSError):
            print_json({"errors": lines, "exit_status": code})
    return code


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("ultracluster")
    except PackageNotFoundError:
        return "(not installed as a package)"


if __name__ == "__main__":
    sys.exit(main())
