"""What runs between a scheduler and the training program.

    python -m training.launch check --nodes 2            can a job run on this node?
    python -m training.launch rank -- COMMAND ...        bind one rank to its GPU's socket
    python -m training.launch progress FOLDER            step of the newest committed checkpoint
    python -m training.launch rehearse --world 4096 [torchtitan] RECIPE ...   one rank, without GPUs
    python -m training.launch sagemaker                  entry point of a SageMaker training job
    python -m training.launch acceptance LOG ... --instance p4d.24xlarge --nodes 2
    python -m training.launch inventory LOCK             does an image hold what its lock says?

Ends with 0; 2 for a mistake in job, image or instance; 69 for a node that is less than its type; 1
for a network that is slower than it must be; otherwise as the ranks end: 75 asks to be requeued.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from training.problems import UserError

MISTAKEN = 2


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="training.launch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True)
    one = commands.add_parser("check", help="say whether a job can run on this node")
    one.add_argument(
        "--fabric",
        type=_fabric,
        default=os.environ.get("ULTRACLUSTER_FABRIC", "auto"),
        metavar="{auto,efa,none}",
        help="ULTRACLUSTER_FABRIC, or else efa for several nodes of a type that has it",
    )
    one.add_argument("--instance", help="EC2 or SageMaker name; as the firmware says by default")
    one.add_argument(
        "--nodes",
        type=int,
        default=os.environ.get("SLURM_JOB_NUM_NODES", "1"),
        help="nodes of the job; SLURM_JOB_NUM_NODES by default",
    )
    one.add_argument(
        "--gpus", type=int, help="GPUs that the job takes; all of its type's, or at least one"
    )
    one.add_argument("--cards", type=int, help="EFA devices that the job takes; all by default")
    one.add_argument("--json", action="store_true", help="for programs")
    two = commands.add_parser("rank", help="bind one rank and run its command")
    two.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    progress = commands.add_parser("progress", help="say how far a program has come")
    progress.add_argument("folder", type=Path, help="of its checkpoints")
    drill = commands.add_parser(
        "rehearse", help="trace one rank of a job of any size, without GPUs"
    )
    drill.add_argument("--world", type=int, required=True, help="ranks of the job")
    drill.add_argument("--node", type=int, default=8, help="ranks of a node; 8 by default")
    drill.add_argument("--rank", type=int, default=0, help="which one; 0 by default")
    drill.add_argument("--json", action="store_true", help="for programs")
    drill.add_argument("rest", nargs=argparse.REMAINDER, metavar="[torchtitan] RECIPE ...")
    three = commands.add_parser("sagemaker", help="entry point of a SageMaker training job")
    three.add_argument("--root", type=Path, default=Path("/opt/ml"), help=argparse.SUPPRESS)
    four = commands.add_parser("acceptance", help="judge logs of nccl-tests")
    four.add_argument(
        "log", nargs="+", help="a file, or - for standard input; several are of groups of nodes"
    )
    four.add_argument("--instance", required=True, help="EC2 or SageMaker name")
    four.add_argument("--nodes", type=int, required=True, help="nodes of each log")
    four.add_argument("--json", action="store_true", help="for programs")
    five = commands.add_parser("inventory", help="say whether an image holds what its lock says")
    five.add_argument("lock", type=Path)
    return root


def _fabric(text: str) -> str:
    # A default from the environment is not compared with argparse's choices, but it is converted.
    if text not in {"auto", "efa", "none"}:
        raise argparse.ArgumentTypeError(f"{text!r} is no choice; write auto, efa or none")
    return text


def _check(given: argparse.Namespace) -> int:
    from training.launch.check import check  # noqa: PLC0415 - each command loads what it needs
    from training.launch.machine import Machine  # noqa: PLC0415

    report = check(
        Machine(dict(os.environ)),
        fabric=given.fabric,
        instance_type=given.instance,
        nodes=given.nodes,
        gpus=given.gpus,
        cards=given.cards,
        least_gpus=1,
    )
    if given.json:
        answer = {
            "status": report.status,
            "fabric": "efa" if report.fabric else "none",
            **report.facts,
            "findings": [{"weight": f.weight, "text": f.text} for f in report.findings],
        }
        sys.stdout.write(f"{json.dumps(answer, indent=2)}\n")
        return report.status
    for finding in report.findings:
        word = "WARNING" if finding.weight == "warning" else "ERROR"
        sys.stderr.write(f"{word} {finding.text}\n")
    if not report.status:
        facts = ", ".join(f"{k} {v}" for k, v in report.facts.items() if v is not None)
        over = "EFA" if report.fabric else "no fabric was asked for"
        sys.stdout.write(f"fits: {over}; {facts}\n")
    return report.status


def _rank(given: argparse.Namespace) -> int:
    from training.launch.binding import run  # noqa: PLC0415

    try:
        return run(given.rest[1:] if given.rest[:1] == ["--"] else given.rest)
    except UserError as error:
        sys.stderr.write(f"ERROR {error}\n")
        return MISTAKEN


def _progress(folder: Path) -> int:
    from training.launch.check import UNAVAILABLE  # noqa: PLC0415
    from training.launch.contract import committed  # noqa: PLC0415

    try:
        sys.stdout.write(f"{max(committed(folder), default=0)}\n")
    except OSError as error:
        sys.stderr.write(f"ERROR {folder} cannot be read now ({error.strerror})\n")
        return UNAVAILABLE
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; each loads what it needs alone."""
    given = parser().parse_args(arguments)
    if given.command in {"check", "rank"}:
        return (_check if given.command == "check" else _rank)(given)
    if given.command == "progress":
        return _progress(given.folder)
    if given.command == "rehearse":
        from training import rehearse  # noqa: PLC0415

        sizes = (given.world, given.node, given.rank)
        return rehearse.main(given.rest, *sizes, as_json=given.json)
    if given.command == "sagemaker":
        from training.launch import sagemaker  # noqa: PLC0415

        return sagemaker.run(given.root, dict(os.environ))
    if given.command == "acceptance":
        from training.launch import acceptance  # noqa: PLC0415

        return acceptance.main(given.log, given.instance, given.nodes, as_json=given.json)
    from training.launch import inventory  # noqa: PLC0415

    return inventory.main(given.lock)


if __name__ == "__main__":
    sys.exit(main())
