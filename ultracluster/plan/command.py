"""The command `ultracluster plan`.

ultracluster plan --parameters 50e9 --tokens 700e9 --instance p4d.24xlarge [--nodes 64]
                  [--days 53] [--budget 2e6] [--calibrate FILE] [--format json] [--html FILE]
                  [--write environments/mine.py]

Exit codes: 0 where there is a plan, 2 where there is none: a value that cannot be, a model that
fits nowhere, a file that holds no measurement.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN
from ultracluster.printing import STANDARD_OUTPUT, add_format, print_json, print_line, save

if TYPE_CHECKING:
    from rich.console import Console

NEGATIVE: Final = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
EPILOG: Final = "numbers may be written as 50e9, 50B, 700G or 1.5T; --format json has every value"
Options = Mapping[str, tuple[str, str | None, str]]
"""Metavariable, default and help of each option. Numbers are read later, so that a mistake is one
line."""
MODEL: Final[Options] = {
    "--parameters": ("N", None, "parameters; a usual shape is chosen"),
    "--layers": ("N", None, "blocks"),
    "--hidden": ("N", None, "width of the residual stream"),
    "--heads": ("N", None, "query heads"),
    "--vocabulary": ("N", "50304", "rows of the embedding (50,304)"),
    "--sequence": ("N", "2048", "tokens of a sequence (2,048)"),
    "--feed-forward": ("N", None, "inner width (four times the width)"),
    "--key-value-heads": ("N", None, "heads of keys and values (all)"),
}
ASKED: Final[Options] = {
    "--instance": ("TYPE", "p4d.24xlarge", "instance type (p4d.24xlarge)"),
    "--region": ("NAME", "us-east-1", "whose prices, and where it is sold (us-east-1)"),
    "--nodes": ("N", None, "so many nodes"),
    "--days": ("N", None, "the fewest nodes that need no longer"),
    "--budget": ("USD", None, "the fastest for no more"),
    "--purchase": ("HOW", "on-demand", "on-demand, capacity-block or sagemaker"),
}
KNOWN: Final[Options] = {
    "--batch-tokens": ("N", str(4 * 2**20), "tokens of one optimizer step (4,194,304)"),
    "--software": ("KIND", "", "fsdp, compiled or 2022; not given, it is in doubt"),
    "--failures": (
        "RATE",
        "rsc-1",
        "opt-175b, rsc-1, llama-3, rsc-2, or failures per node and day",
    ),
    "--restart-minutes": ("N", None, "from a failure to the first new step (15)"),
    "--checkpoint-share": ("X", "0.02", "part of the time that checkpoints may take (0.02)"),
}
LAYOUT: Final[Options] = {
    "--partition": ("N", None, "GPUs that hold one copy of the state"),
    "--tensor": ("N", None, "GPUs that share every layer"),
    "--micro-batch": ("N", None, "sequences of one pass of a GPU"),
    "--activations": ("HOW", None, "kept or recomputed"),
}


def one_line(message: str) -> NoReturn:
    """Say what is wrong with the command line, and end."""
    sys.stderr.write(f"ERROR {message}; see ultracluster plan --help\n")
    sys.exit(COULD_NOT_RUN)


def joined(given: Sequence[str]) -> list[str]:
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.error = one_line  # type: ignore[method-assign]
    model = _group(parser, "model", "its size, or its shape", MODEL)
    model.add_argument("--gated", action="store_true", help="a gated feed-forward network (SwiGLU)")
    model.add_argument("--untied", action="store_true", help="an output layer of its own")
    asked = _group(parser, "what is asked", "nodes, or days, or a budget; else 60 days", ASKED)
    asked.add_argument("--tokens", metavar="N", required=True, help="tokens to train on")
    known = _group(parser, "what is known", "", KNOWN)
    calibrate = "a log of nccl-tests, or a metrics.jsonl of the training program"
    known.add_argument(
        "--calibrate", metavar="FILE", type=Path, action="append", default=[], help=calibrate
    )
    _group(parser, "layout", "searched for, where it is not given", LAYOUT)
    out = parser.add_argument_group("what is written", "`-` is standard output")
    add_format(out)
    out.add_argument("--html", metavar="FILE", type=Path, help="write a page with pictures")
    out.add_argument("--write", metavar="FILE", type=Path, help="write an environment file")


def _group(
    parser: argparse.ArgumentParser, title: str, says: str, options: Options
) -> "argparse._ArgumentGroup":
    group = parser.add_argument_group(title, says)
    for name, (metavar, default, meaning) in options.items():
        group.add_argument(name, metavar=metavar, default=default, help=meaning)
    return group


def run(arguments: argparse.Namespace, console: "Console") -> int:
    # Imported here: the command line imports this module for every command.
    from ultracluster.plan.arguments import question  # noqa: PLC0415
    from ultracluster.plan.document import document  # noqa: PLC0415
    from ultracluster.plan.sections import report  # noqa: PLC0415
    from ultracluster.planner.alternatives import alternatives  # noqa: PLC0415
    from ultracluster.planner.plan import plan  # noqa: PLC0415
    from ultracluster.planner.question import PlanError  # noqa: PLC0415
    from ultracluster.planner.uncertainty import uncertainty  # noqa: PLC0415

    said: list[str] = []
    try:
        printed = _printed(arguments)
        asked = question(arguments)
        found = plan(asked)
        if arguments.write is not None:
            # Imported here: specs are pydantic, which takes longer than a plan.
            from ultracluster.plan.environment_file import environment_of  # noqa: PLC0415

            environment = environment_of(found, arguments.write)
            _save("--write", arguments.write, environment.text)
            said += environment.lines
        others = tuple(alternatives(asked, found.outcome.days))
        values = document(found, uncertainty(found), others)
        if arguments.html is not None:
            from ultracluster.plan.page import page  # noqa: PLC0415

            _save("--html", arguments.html, page(report(values)))
            said.append(f"page: {arguments.html}")
    except PlanError as error:
        sys.stderr.write(f"ERROR {' '.join(str(error).split())}\n")
        return COULD_NOT_RUN
    if printed == "--format json":
        print_json(console, values)
    elif printed is not None:
        sys.stderr.writelines(f"{line}\n" for line in said)
    else:
        from ultracluster.plan.terminal import show  # noqa: PLC0415

        show(report(values), console)
        for line in said:
            print_line(console, line)
    return ALL_WELL


def _printed(arguments: argparse.Namespace) -> str | None:
    """Return the option whose document goes to standard output in place of the tables, if any.

    Raises:
        PlanError: where two would.
    """
    from ultracluster.planner.question import PlanError  # noqa: PLC0415

    files = {"--html -": arguments.html, "--write -": arguments.write}
    options = [option for option, path in files.items() if path == STANDARD_OUTPUT]
    options += ["--format json"] if arguments.format == "json" else []
    if len(options) > 1:
        raise PlanError(f"{' and '.join(options)} write to standard output; write one to a file")
    return options[0] if options else None


def _save(option: str, path: Path, text: str) -> None:
    from ultracluster.planner.question import PlanError  # noqa: PLC0415

    try:
        save(path, text)
    except OSError as error:
        raise PlanError(f"{option}: got {path}; {error.strerror}; write another path") from error
