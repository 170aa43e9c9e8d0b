"""Reads the arguments of `ultracluster plan` into a question."""

import argparse
import math
from pathlib import Path
from typing import Any, Final

from ultracluster.plan.command import MODEL
from ultracluster.planner import shape as shapes
from ultracluster.planner.goodput import RATES
from ultracluster.planner.layout import ACTIVATIONS, OPTIONS_OF_A_LAYOUT, Only
from ultracluster.planner.measurement import MeasurementError, metrics
from ultracluster.planner.network_log import nccl_tests
from ultracluster.planner.question import PlanError, Question
from ultracluster.problem import Problem, choices
from ultracluster.untrusted_file import bounded, text_of

SIZES: Final = [option for option in MODEL if option != "--parameters"]
SUFFIXES: Final = {"k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
FARTHEST: Final = 0.2
"""Part of the parameters asked for that a usual shape may be away."""
LARGEST: Final = 1e100
"""Far more parameters, tokens or nodes than there are; their products are floats still."""
LARGEST_FILE: Final = 60_000_000
"""Bytes: some 300,000 steps of the training program."""


class Reader:
    """Numbers of a command line; the first that cannot be is a PlanError of one line."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._given = vars(arguments)

    def number(self, option: str) -> float | None:
        """Read a number such as 50e9, 50B or 1_000; None where it is not given."""
        text = self._given[option.removeprefix("--").replace("-", "_")]
        if text is None:
            return None
        factor = SUFFIXES.get(text[-1:], 0.0)
        try:
            value = float(text[:-1]) * factor if factor else float(text)
        except ValueError:
            raise _refused(option, text, "write a number such as 64, 50e9, 50B or 1.5T") from None
        if not math.isfinite(value):
            raise _refused(option, text, "write a number that is finite, such as 50e9")
        return value

    def whole(self, option: str) -> int | None:
        value = self.number(option)
        if value is not None and abs(value) > LARGEST:
            raise _refused(option, f"{value:g}", f"write a whole number up to {LARGEST:g}")
        if value is None or value == int(value):
            return None if value is None else int(value)
        raise _refused(option, value, f"write a whole number, such as {max(1, round(value)):,}")

    def count(self, option: str) -> int:
        """Return a whole number, 0 where it is not given."""
        return self.whole(option) or 0


def question(arguments: argparse.Namespace) -> Question:
    """Return what is asked.

    Raises:
        PlanError: for the first word that cannot be, in one line.
    """
    with bounded("--calibrate"):
        measured = _measurements(arguments.calibrate)
    read = Reader(arguments)
    return Question(
        shape=_shape(arguments, read),
        tokens=read.number("--tokens") or 0.0,
        instance_type=arguments.instance,
        region=arguments.region,
        nodes=read.whole("--nodes"),
        days=read.number("--days"),
        budget=read.number("--budget"),
        batch_tokens=read.count("--batch-tokens"),
        software=arguments.software,
        fp8=arguments.fp8,
        failures=_failures(arguments.failures, read),
        restart_minutes=read.number("--restart-minutes"),
        checkpoint_share=read.number("--checkpoint-share") or 0.0,
        purchase=arguments.purchase,
        only=_only(arguments, read),
        node_gbps=read.number("--node-gbps"),
        **measured,
    )


def _refused(option: str, got: object, fix: str) -> PlanError:
    return PlanError(str(Problem(option, got, fix)))


def _failures(given: str, read: Reader) -> float | str:
    """Return failures per node and day, or the word as it is, which the question judges."""
    if given in RATES:
        return given
    try:
        return read.number("--failures") or 0.0
    except PlanError:
        return given


def _only(arguments: argparse.Namespace, read: Reader) -> Only:
    if arguments.activations not in {None, *ACTIVATIONS}:
        raise _refused("--activations", arguments.activations, f"write {choices(ACTIVATIONS)}")
    given = {field: read.whole(option) for field, option in OPTIONS_OF_A_LAYOUT.items()}
    return Only(activations=arguments.activations, **given)


def _shape(arguments: argparse.Namespace, read: Reader) -> shapes.ModelShape:
    shape = {option: read.whole(option) for option in ("--layers", "--hidden", "--heads")}
    missing = [option for option, value in shape.items() if value is None]
    vocabulary, sequence = read.count("--vocabulary"), read.count("--sequence")
    if arguments.parameters is not None:
        if len(missing) < len(shape):
            raise PlanError(
                "--parameters and a shape were given; write --parameters, or --layers, --hidden "
                "and --heads"
            )
        if arguments.experts is not None:
            fix = "a mixture of experts needs a shape; write --layers, --hidden and --heads"
            raise _refused("--experts", arguments.experts, fix)
        return _usual(arguments.parameters, read.number("--parameters") or 0, vocabulary, sequence)
    if len(missing) == len(shape):
        raise PlanError("no model was given; write --parameters, or --layers, --hidden and --heads")
    if missing:
        raise PlanError(f"a shape needs {' and '.join(missing)} too; write {missing[0]} N")
    sizes: dict[str, Any] = {option[2:].replace("-", "_"): read.count(option) for option in SIZES}
    given = {"gated": arguments.gated, "parallel_block": arguments.parallel_block}
    return shapes.ModelShape(tied=not arguments.untied, **given, **sizes)


def _usual(given: str, size: float, vocabulary: int, sequence: int) -> shapes.ModelShape:
    least, most = shapes.SMALLEST_PARAMETERS, shapes.LARGEST_PARAMETERS
    if not least <= size <= most:
        raise _refused("--parameters", given, f"write {least:g} to {most:g} parameters")
    shape = shapes.of_size(size, vocabulary=vocabulary, sequence=sequence)
    if abs(shape.parameters / size - 1) > FARTHEST:
        fix = (
            f"the nearest usual shape with a vocabulary of {vocabulary:,} has "
            f"{shape.parameters:,}; write that, a smaller --vocabulary, or a shape"
        )
        raise _refused("--parameters", f"{size:g}", fix)
    return shape


def _measurements(paths: list[Path]) -> dict[str, Any]:
    """Return what `Question` calls the network and the run, as far as they were measured."""
    found: dict[str, Any] = {}
    for path in paths:
        text = text_of(path, LARGEST_FILE, "cut it: measurements have 60")
        # A metrics file is JSON from its first character on; a log never is.
        of_a_run = text.lstrip().startswith("{")
        field = "run" if of_a_run else "network"
        if field in found:
            kind = "metrics.jsonl" if of_a_run else "log of nccl-tests"
            raise PlanError(f"--calibrate: got {path}; a {kind} was given before it; write one")
        try:
            found[field] = metrics(text) if of_a_run else nccl_tests(text)
        except MeasurementError as error:
            raise PlanError(f"--calibrate: got {path}; {error}") from error
    return found
