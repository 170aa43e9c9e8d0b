"""From the words of a command line to a question, each number read with one clear message."""

import argparse
import math
from pathlib import Path
from typing import Final

from ultracluster.planner.goodput import RATES
from ultracluster.planner.measurement import (
    MeasurementError,
    NetworkMeasurement,
    RunMeasurement,
    metrics,
)
from ultracluster.planner.network_log import nccl_tests
from ultracluster.planner.question import PlanError, Question
from ultracluster.planner.search import Only
from ultracluster.planner.shape import (
    LARGEST_PARAMETERS,
    LONGEST,
    SMALLEST_PARAMETERS,
    ModelShape,
    of_size,
)
from ultracluster.spec.problem import Problem

SUFFIXES: Final = {"k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
FARTHEST: Final = 0.2
"""Part of the parameters asked for that a usual shape may be away."""
ACTIVATIONS: Final = {"kept": False, "recomputed": True}
LARGEST_FILE: Final = 256 * 2**20


def question(arguments: argparse.Namespace) -> Question:
    """Return what is asked.

    Raises:
        PlanError: for the first word that cannot be, in one line.
    """
    network, run = _measurements(arguments.calibrate)
    nodes = _optional("--nodes", arguments.nodes)
    failures = arguments.failures
    return Question(
        shape=_shape(arguments),
        tokens=_number("--tokens", arguments.tokens),
        instance_type=arguments.instance,
        region=arguments.region,
        nodes=None if nodes is None else _whole("--nodes", nodes),
        days=_optional("--days", arguments.days),
        budget=_optional("--budget", arguments.budget),
        batch_tokens=_count("--batch-tokens", arguments.batch_tokens),
        software=arguments.software,
        failures=failures if failures in RATES else _rate(failures),
        restart_minutes=_optional("--restart-minutes", arguments.restart_minutes),
        checkpoint_share=_number("--checkpoint-share", arguments.checkpoint_share),
        purchase=arguments.purchase,
        only=_only(arguments),
        network=network,
        run=run,
    )


def _only(arguments: argparse.Namespace) -> Only:
    """Return what the layout must be like."""
    given = {
        name: None if text is None else _count(f"--{name.replace('_', '-')}", text)
        for name, text in (
            ("partition", arguments.partition),
            ("tensor", arguments.tensor),
            ("micro_batch", arguments.micro_batch),
        )
    }
    for name, value in given.items():
        if value is not None and value < 1:
            fix = "write a whole number from 1"
            raise PlanError(str(Problem(f"--{name.replace('_', '-')}", value, fix)))
    if arguments.activations not in {None, *ACTIVATIONS}:
        fix = f"write {' or '.join(ACTIVATIONS)}"
        raise PlanError(str(Problem("--activations", arguments.activations, fix)))
    return Only(
        group=given["partition"],
        tensor=given["tensor"],
        micro_batch=given["micro_batch"],
        checkpointing=ACTIVATIONS.get(arguments.activations),
    )


def _shape(arguments: argparse.Namespace) -> ModelShape:
    parts = {name: getattr(arguments, name) for name in ("layers", "hidden", "heads")}
    missing = [f"--{name}" for name, value in parts.items() if value is None]
    vocabulary = _count("--vocabulary", arguments.vocabulary)
    sequence = _count("--sequence", arguments.sequence)
    if arguments.parameters is not None:
        if len(missing) < len(parts):
            raise PlanError(
                "--parameters and a shape were given; write --parameters, or --layers, --hidden "
                "and --heads"
            )
        size = _number("--parameters", arguments.parameters)
        if not SMALLEST_PARAMETERS <= size <= LARGEST_PARAMETERS:
            fix = f"write {SMALLEST_PARAMETERS:g} to {LARGEST_PARAMETERS:g} parameters"
            raise PlanError(str(Problem("--parameters", arguments.parameters, fix)))
        for name, value in (("--vocabulary", vocabulary), ("--sequence", sequence)):
            if not 1 <= value <= LONGEST:
                fix = f"write a whole number from 1 to {LONGEST:,}"
                raise PlanError(str(Problem(name, value, fix)))
        return _usual(size, vocabulary, sequence)
    if len(missing) == len(parts):
        raise PlanError("no model was given; write --parameters, or --layers, --hidden and --heads")
    if missing:
        raise PlanError(f"a shape needs {' and '.join(missing)} too; write {missing[0]} N")
    return ModelShape(
        layers=_count("--layers", arguments.layers),
        hidden=_count("--hidden", arguments.hidden),
        heads=_count("--heads", arguments.heads),
        vocabulary=vocabulary,
        sequence=sequence,
        feed_forward=_count("--feed-forward", arguments.feed_forward or "0"),
        gated=arguments.gated,
        key_value_heads=_count("--key-value-heads", arguments.key_value_heads or "0"),
        tied=not arguments.untied,
    )


def _usual(size: float, vocabulary: int, sequence: int) -> ModelShape:
    shape = of_size(size, vocabulary=vocabulary, sequence=sequence)
    if abs(shape.parameters / size - 1) > FARTHEST:
        fix = (
            f"the nearest usual shape with a vocabulary of {vocabulary:,} has "
            f"{shape.parameters:,}; write that, a smaller --vocabulary, or a shape"
        )
        raise PlanError(str(Problem("--parameters", f"{size:g}", fix)))
    return shape


def _rate(text: str) -> float | str:
    """Return failures per node and day, or the word as it is, which the question refuses."""
    try:
        return _number("--failures", text)
    except PlanError:
        return text


def _optional(field: str, text: str | None) -> float | None:
    return None if text is None else _number(field, text)


def _number(field: str, text: str) -> float:
    """Read a number such as 50e9, 50B or 1_000."""
    factor = SUFFIXES.get(text[-1:], 0.0)
    try:
        value = float(text[:-1]) * factor if factor else float(text)
    except ValueError:
        fix = "write a number such as 64, 50e9, 50B or 1.5T"
        raise PlanError(str(Problem(field, text, fix))) from None
    if not math.isfinite(value):
        raise PlanError(str(Problem(field, text, "write a number that is finite, such as 50e9")))
    return value


def _count(field: str, text: str) -> int:
    return _whole(field, _number(field, text))


def _whole(field: str, value: float) -> int:
    if value != int(value):
        fix = f"write a whole number, such as {max(1, round(value)):,}"
        raise PlanError(str(Problem(field, value, fix)))
    return int(value)


def _measurements(
    paths: list[Path],
) -> tuple[NetworkMeasurement | None, RunMeasurement | None]:
    network: NetworkMeasurement | None = None
    run: RunMeasurement | None = None
    for path in paths:
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise PlanError(f"--calibrate: got {path}; it is larger than 256 MiB; cut it")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise PlanError(f"--calibrate: got {path}; {error.strerror}; write a file") from error
        except UnicodeDecodeError as error:
            raise PlanError(f"--calibrate: got {path}; it is no text; write a log") from error
        try:
            # A metrics file is JSON from its first character on; a log never is.
            of_a_run = text.lstrip().startswith("{")
            if (run if of_a_run else network) is not None:
                kind = "metrics.jsonl" if of_a_run else "log of nccl-tests"
                raise PlanError(f"--calibrate: got {path}; a {kind} was given before it; write one")
            if of_a_run:
                run = metrics(text)
            else:
                network = nccl_tests(text)
        except MeasurementError as error:
            raise PlanError(f"--calibrate: got {path}; {error}") from error
    return network, run
