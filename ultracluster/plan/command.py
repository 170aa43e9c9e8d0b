"""The command `ultracluster plan`.

ultracluster plan --parameters 50e9 --tokens 700e9 --instance p4d.24xlarge [--nodes 64]
                  [--days 53] [--budget 2e6] [--calibrate FILE] [--json] [--html FILE]
                  [--write environments/mine.py]

Exit codes: 0 where there is a plan, 2 where there is none: a value that cannot be, a model that
fits nowhere, a file that holds no measurement.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ultracluster.command_line import add_format

if TYPE_CHECKING:
    from rich.console import Console

CANNOT: Final = 2
EPILOG: Final = (
    "numbers may be written as 50e9, 50B, 700G or 1.5T; every assumption is in --format json"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes. Numbers are read later, so that a mistake is one line."""
    parser.epilog = EPILOG
    model = parser.add_argument_group("model", "its size, or its shape")
    model.add_argument("--parameters", metavar="N", help="parameters; a usual shape is chosen")
    model.add_argument("--layers", metavar="N", help="blocks")
    model.add_argument("--hidden", metavar="N", help="width of the residual stream")
    model.add_argument("--heads", metavar="N", help="query heads")
    model.add_argument("--vocabulary", metavar="N", default="50304")
    model.add_argument("--sequence", metavar="N", default="2048", help="tokens of a sequence")
    model.add_argument("--feed-forward", metavar="N", help="inner width (four times the width)")
    model.add_argument("--gated", action="store_true", help="a gated feed-forward network (SwiGLU)")
    model.add_argument("--key-value-heads", metavar="N", help="heads of keys and values (all)")
    model.add_argument("--untied", action="store_true", help="an output layer of its own")
    asked = parser.add_argument_group("what is asked", "nodes, or days, or a budget; else 60 days")
    asked.add_argument("--tokens", metavar="N", required=True, help="tokens to train on")
    asked.add_argument("--instance", metavar="TYPE", default="p4d.24xlarge")
    asked.add_argument("--region", default="us-east-1")
    asked.add_argument("--nodes", metavar="N")
    asked.add_argument("--days", metavar="N", help="the fewest nodes that need no longer")
    asked.add_argument("--budget", metavar="USD", help="the fastest for no more")
    asked.add_argument("--purchase", default="on-demand", metavar="HOW",
                       help="on-demand, capacity-block or sagemaker")  # fmt: skip
    known = parser.add_argument_group("what is known")
    known.add_argument("--batch-tokens", metavar="N", default=str(4 * 2**20),
                       help="tokens of one optimizer step (4,194,304)")  # fmt: skip
    known.add_argument("--software", metavar="KIND", default="",
                       help="fsdp, compiled or 2022; not given, it is in doubt")  # fmt: skip
    known.add_argument("--failures", metavar="RATE", default="rsc-1",
                       help="opt-175b, rsc-1, llama-3, rsc-2, or failures per node and day",
                       )  # fmt: skip
    known.add_argument("--restart-minutes", metavar="N",
                       help="from a failure to the first new step (15)")  # fmt: skip
    known.add_argument("--checkpoint-share", metavar="X", default="0.02",
                       help="part of the time that checkpoints may take (0.02)")  # fmt: skip
    known.add_argument("--calibrate", metavar="FILE", type=Path, action="append", default=[],
                       help="a log of nccl-tests, or a metrics.jsonl of the training program",
                       )  # fmt: skip
    layout = parser.add_argument_group("layout", "searched for, where it is not given")
    layout.add_argument("--partition", metavar="N", help="GPUs that hold one copy of the state")
    layout.add_argument("--tensor", metavar="N", help="GPUs that share every layer")
    layout.add_argument("--micro-batch", metavar="N", help="sequences of one pass of a GPU")
    layout.add_argument("--activations", metavar="HOW", help="kept or recomputed")
    out = parser.add_argument_group("what is written")
    add_format(out)
    out.add_argument("--html", metavar="FILE", type=Path, help="write a page with pictures")
    out.add_argument("--write", metavar="FILE", type=Path, help="write an environment file")


def run(arguments: argparse.Namespace, console: "Console") -> int:
    """Plan, and show the plan."""
    # Imported here: the command line imports this module for every command.
    from ultracluster.plan.arguments import question  # noqa: PLC0415
    from ultracluster.plan.document import document  # noqa: PLC0415
    from ultracluster.planner.alternatives import alternatives  # noqa: PLC0415
    from ultracluster.planner.plan import plan  # noqa: PLC0415
    from ultracluster.planner.question import PlanError  # noqa: PLC0415
    from ultracluster.planner.uncertainty import uncertainty  # noqa: PLC0415

    try:
        asked = question(arguments)
        found = plan(asked)
        if arguments.write is not None:
            from ultracluster.plan.environment_file import write  # noqa: PLC0415

            written = write(found, arguments.write)
        others = tuple(alternatives(asked, found.outcome.days))
        told = document(found, uncertainty(found), others)
        if arguments.html is not None:
            from ultracluster.plan.page import page  # noqa: PLC0415

            _save(arguments.html, page(told))
    except PlanError as error:
        sys.stderr.write(f"ERROR {' '.join(str(error).split())}\n")
        return CANNOT
    if arguments.json:
        console.print(json.dumps(told, indent=2), markup=False, highlight=False, soft_wrap=True)
        return 0
    from ultracluster.plan.display import show, show_written  # noqa: PLC0415

    show(told, console)
    if arguments.write is not None:
        show_written(written, console)
    if arguments.html is not None:
        console.print(f"page: {arguments.html}", markup=False)
    return 0


def _save(path: Path, text: str) -> None:
    from ultracluster.planner.question import PlanError  # noqa: PLC0415

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PlanError(f"--html: got {path}; {error.strerror}; write another path") from error
