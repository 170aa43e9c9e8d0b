"""The command `ultracluster plan`.

ultracluster plan --parameters 50e9 --tokens 700e9 --instance p4d.24xlarge [--nodes 64]
                  [--days 53] [--budget 2e6] [--calibrate FILE] [--format json] [--html FILE]
                  [--write environments/mine.py]

Exit codes: 0 where there is a plan, 2 where there is none: a value that cannot be, a model that
fits nowhere, a file that holds no measurement.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ultracluster.command_line import add_format, print_json, printed_option, write_output
from ultracluster.exit_status import ALL_WELL, UsageError

if TYPE_CHECKING:
    from rich.console import Console

EPILOG: Final = "numbers may be written as 50e9, 50B, 700G or 1.5T; --format json has every value"
Options = Mapping[str, tuple[str, str | None, str]]
"""Metavariable, default and help of each option. Numbers are read later, so that a mistake is one
line."""
MODEL: Final[Options] = {
    "--parameters": ("N", None, "number of parameters; a usual shape is chosen"),
    "--layers": ("N", None, "number of transformer blocks"),
    "--hidden": ("N", None, "width of the residual stream"),
    "--heads": ("N", None, "number of query heads"),
    "--vocabulary": ("N", "50304", "vocabulary size (50,304)"),
    "--sequence": ("N", "2048", "sequence length in tokens (2,048)"),
    "--feed-forward": ("N", None, "feed-forward width (four times the width)"),
    "--key-value-heads": ("N", None, "number of key and value heads (all)"),
    "--head-size": ("N", None, "width of a head (width over heads)"),
    "--experts": ("N", None, "routed experts per block; none for a dense model"),
    "--experts-per-token": ("N", None, "experts per token"),
    "--expert-width": ("N", None, "inner width of an expert"),
    "--shared-experts": ("N", None, "experts that all tokens use (0)"),
    "--dense-layers": ("N", None, "blocks before the first with experts (0)"),
}
ASKED: Final[Options] = {
    "--instance": ("TYPE", "p4d.24xlarge", "instance type (p4d.24xlarge)"),
    "--region": ("NAME", "us-east-1", "Region of prices and offers (us-east-1)"),
    "--nodes": ("N", None, "number of nodes"),
    "--days": ("N", None, "time limit: find the fewest nodes that meet it"),
    "--budget": ("USD", None, "cost limit: find the fastest plan within it"),
    "--purchase": ("HOW", "on-demand", "on-demand, capacity-block or sagemaker"),
}
KNOWN: Final[Options] = {
    "--batch-tokens": ("N", str(4 * 2**20), "tokens of one optimizer step (4,194,304)"),
    "--software": (
        "KIND",
        "",
        "fsdp, compiled, megatron, megatron-core, training, torchtitan, 2022; else in doubt",
    ),
    "--node-gbps": ("N", None, "network bandwidth of a node in Gbps (the type's)"),
    "--failures": (
        "RATE",
        "rsc-1",
        "opt-175b, rsc-1, llama-3, rsc-2, or failures per node and day",
    ),
    "--restart-minutes": ("N", None, "minutes from a failure to the next step (15)"),
    "--checkpoint-share": ("X", "0.02", "highest share of time for checkpoints (0.02)"),
}
LAYOUT: Final[Options] = {
    "--partition": ("N", None, "GPUs that hold one copy of the state"),
    "--tensor": ("N", None, "GPUs that share every layer"),
    "--pipeline": ("N", None, "number of pipeline stages"),
    "--interleave": ("N", None, "model chunks per pipeline stage (1F1B: 1)"),
    "--context": ("N", None, "context-parallel ranks that share a sequence"),
    "--expert-parallel": ("N", None, "GPUs that a layer's experts are divided over"),
    "--micro-batch": ("N", None, "sequences per GPU and pass"),
    "--activations": ("HOW", None, "kept, selective or recomputed"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    add_run(parser, required=True)
    _group(parser, "question", "nodes, or days, or a budget; else 60 days", ASKED)
    out = parser.add_argument_group("output", "`-` is standard output")
    add_format(out)
    out.add_argument("--html", metavar="FILE", type=Path, help="write a page with pictures")
    out.add_argument("--write", metavar="FILE", type=Path, help="write an environment file")


def add_run(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the options of a model and of what is known of its training."""
    model = _group(parser, "model", "its size, or its shape", MODEL)
    model.add_argument("--gated", action="store_true", help="a gated feed-forward network (SwiGLU)")
    beside = "attention and feed-forward side by side (Falcon, GPT-NeoX)"
    model.add_argument("--parallel-block", action="store_true", help=beside)
    model.add_argument("--untied", action="store_true", help="an output layer with its own weights")
    model.add_argument("--tokens", metavar="N", required=required, help="tokens to train on")
    known = _group(parser, "assumptions", "", KNOWN)
    known.add_argument(
        "--fp8", action="store_true", help="matrix products in 8 bits: H100 and later"
    )
    calibrate = "a log of nccl-tests, or a metrics.jsonl of the training program"
    known.add_argument(
        "--calibrate", metavar="FILE", type=Path, action="append", default=[], help=calibrate
    )
    _group(parser, "layout", "searched, if it is not given", LAYOUT)


def _group(
    parser: argparse.ArgumentParser, title: str, says: str, options: Options
) -> "argparse._ArgumentGroup":
    group = parser.add_argument_group(title, says)
    for name, (metavar, default, meaning) in options.items():
        group.add_argument(name, metavar=metavar, default=default, help=meaning)
    return group


def run(arguments: argparse.Namespace, console: "Console") -> int:
    # Imported here: `ultracluster plan --help` needs none of it.
    from ultracluster.plan.arguments import question  # noqa: PLC0415
    from ultracluster.plan.document import document  # noqa: PLC0415
    from ultracluster.plan.report import page, show  # noqa: PLC0415
    from ultracluster.plan.sections import report  # noqa: PLC0415
    from ultracluster.planner.plan import alternatives, plan  # noqa: PLC0415
    from ultracluster.planner.question import PlanError  # noqa: PLC0415
    from ultracluster.planner.uncertainty import uncertainty  # noqa: PLC0415

    files = {"--html": arguments.html, "--write": arguments.write}
    printed, said = printed_option(files, as_json=arguments.json), list[str]()
    try:
        asked = question(arguments)
        found = plan(asked)
        if arguments.write is not None:
            # Imported here: specs are pydantic, which takes longer than a plan.
            from ultracluster.plan.environment_file import environment_of  # noqa: PLC0415

            text, lines = environment_of(found, arguments.write)
            write_output(arguments.write, text, "--write")
            said += lines
        others = tuple(alternatives(asked, found.outcome.days))
    except PlanError as error:
        raise UsageError(" ".join(str(error).split())) from error
    values = document(found, uncertainty(found), others)
    if arguments.html is not None:
        write_output(arguments.html, page(report(values)), "--html")
        said.append(f"page: {arguments.html}")
    if arguments.json:
        print_json(values)
    elif printed:
        sys.stderr.writelines(f"{line}\n" for line in said)
    else:
        show(report(values), console)
        for line in said:
            console.out(line, highlight=False)
    return ALL_WELL
