"""Whole-process time of synthesis with all gates, as ratios to an empty Python CDK app.

    python benchmarks/synthesis.py [--runs 7]

Every figure is the median of runs that take turns, so that a change of the machine's speed meets
all of them alike. Ratios are what counts; seconds are this machine's.
"""

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec

ROOT = Path(__file__).parents[1]
EMPTY = "import aws_cdk as cdk; app = cdk.App(); cdk.Stack(app, 'Empty'); app.synth()"
TARGET = 2.8


@dataclasses.dataclass(frozen=True)
class Case:
    """One command that is timed."""

    name: str
    command: tuple[str, ...]
    seconds: list[float] = dataclasses.field(default_factory=list)

    def run(self) -> None:
        """Run the command once, in a directory of its own, and keep its time."""
        with tempfile.TemporaryDirectory() as directory:
            environment = {**os.environ, "CDK_OUTDIR": directory, "PYTHONPATH": str(ROOT)}
            # Compiled modules are kept, as they are wherever somebody works.
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            started = time.perf_counter()
            subprocess.run(
                self.command, check=True, capture_output=True, env=environment, cwd=directory
            )
            self.seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        """The median time, in seconds."""
        return statistics.median(self.seconds)


def environments(count: int, nodes: int) -> list["EnvironmentSpec"]:
    """Return a number of environments like `ultracluster`, with a number of nodes each."""
    from environments.ultracluster import ULTRACLUSTER  # noqa: PLC0415

    slurm = ULTRACLUSTER.slurm
    sized = ULTRACLUSTER.model_copy(
        update={
            "nodes": ULTRACLUSTER.nodes.model_copy(update={"count": nodes}),
            # The same controller for any number, which is the one that has a stated price.
            "slurm": slurm and slurm.model_copy(update={"size": "LARGE"}),
        }
    )
    return [sized.model_copy(update={"name": f"cluster-{index}"}) for index in range(count)]


def synthesize(count: int, nodes: int) -> None:
    """Synthesize a number of environments."""
    import app  # noqa: PLC0415  (only the timed process pays for it)

    app.build(environments(count, nodes)).synth()


def own(count: int, nodes: int) -> tuple[str, ...]:
    """Return the command that synthesizes environments in a process of its own."""
    arguments = ("--environments", str(count), "--nodes", str(nodes))
    return (sys.executable, __file__, *arguments)


def measure(cases: Sequence[Case], runs: int) -> None:
    """Time the cases in turns; one run of each beforehand fills jsii's cache."""
    for number in range(runs + 1):
        for case in cases:
            case.run()
            if number == 0:
                case.seconds.clear()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--environments", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--nodes", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.environments is not None:
        synthesize(arguments.environments, arguments.nodes)
        return

    empty = Case("empty Python CDK app", (sys.executable, "-c", EMPTY))
    every = Case("all three environments, all gates", (sys.executable, str(ROOT / "app.py")))
    small, large = Case("1 environment, 4 nodes", own(1, 4)), Case("... 512 nodes", own(1, 512))
    few, many = Case("3 environments", own(3, 512)), Case("30 environments", own(30, 512))
    cases = [empty, every, small, large, few, many]
    measure(cases, arguments.runs)

    print(f"{arguments.runs} runs each, medians")
    for case in cases:
        print(f"  {case.name:<36} {case.median:6.2f} s   {case.median / empty.median:5.2f} x empty")
    ratio = every.median / empty.median
    verdict = "within" if ratio <= TARGET else "ABOVE"
    print(f"all environments / empty app: {ratio:.2f} ({verdict} the target of {TARGET})")
    print(f"512 nodes / 4 nodes: {large.median / small.median:.2f} (1 is flat)")
    added = (many.median - few.median) / 27
    print(
        f"30 / 3 environments: {many.median / few.median:.2f}; {added:.2f} s for each that is "
        f"added, {added / empty.median:.2f} x empty"
    )


if __name__ == "__main__":
    main()
