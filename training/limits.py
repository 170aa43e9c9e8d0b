"""What a value of a run's settings may be: its type, the least and the most that can be meant."""

import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from training.problems import Problem

LEAST: Final[Mapping[str, Mapping[str, float]]] = {
    "model": dict.fromkeys(("layers", "width", "heads", "vocabulary", "sequence"), 1),
    "data": {
        **dict.fromkeys(("global_batch", "micro_batch", "validation_sequences"), 1),
        "validation_every": 0,
    },
    "parallel": {"partition_size": 1, "tensor_parallel": 1, "gpus_per_node": 0},
    "numerics": {"checkpoint_every": 0, "loss_chunks": 1},
    "optimizer": dict.fromkeys(
        ("learning_rate", "final_fraction", "epsilon", "weight_decay", "clip_norm", "warmup_steps"),
        0,
    ),
    "checkpoint": {"every": 0, "most_failures": 0},
    "run": {
        **dict.fromkeys(("steps", "print_every"), 1),
        **dict.fromkeys(("seed", "peak_tflops", "most_skipped", "loss_spike", "most_spiked"), 0),
        "timeout_minutes": 0.1,
    },
}
"""The least that a value may be, by its part and its name."""
MOST: Final[Mapping[str, Mapping[str, float]]] = {
    "optimizer": dict.fromkeys(("learning_rate", "final_fraction", "epsilon", "weight_decay"), 1),
    "run": {"timeout_minutes": 1440},
}
"""The most that can be meant: a rate of more than 1 takes AdamW's steps past every weight, the rate
falls to a share of itself, and a decay of rate x weight_decay is a share of each weight."""
WORDS: Final = {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}
OTHER_TYPE: Final = "is of another type"
LEAST_SHARE: Final = 1 / 2**16
"""Of a source: `training.data.Mixture` deals in blocks of that many sequences."""


def value_problems(
    settings: Any, least: Mapping[str, Mapping[str, float]] = LEAST
) -> Iterator[Problem]:
    """Yield every single value that cannot be, whatever the others are."""
    for part in fields(settings):
        values = getattr(settings, part.name)
        for name, kind in get_type_hints(type(values)).items():
            value, where = getattr(values, name), f"{part.name}.{name}"
            if words := _misfit(value, kind):
                yield Problem(where, value, OTHER_TYPE, f"write {words}")
            elif reason := _out_of_range(
                value, least.get(part.name, {}).get(name), MOST.get(part.name, {}).get(name)
            ):
                yield Problem(where, value, *reason)


def _misfit(value: object, kind: Any) -> str | None:
    """Return what to write instead of a value that is not of its type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        good, words = value in arguments, " or ".join(arguments)
    elif origin is types.UnionType:
        return None if value is None else _misfit(value, arguments[0])
    elif origin is tuple:
        good = isinstance(value, tuple) and not any(_misfit(each, arguments[0]) for each in value)
        words = "numbers, as in 0.9,0.95"
    else:
        # bool is a kind of int to Python, and to nobody who writes a recipe.
        wanted = (int, float) if kind is float else kind
        good = isinstance(value, wanted) and (kind is bool or not isinstance(value, bool))
        words = WORDS[kind]
    return None if good else words


def _out_of_range(value: Any, least: float | None, most: float | None) -> tuple[str, str] | None:
    """Return why a number cannot be meant, and what to write instead."""
    if least is None:
        return None
    fix = f"write {least} or more" if most is None else f"write {least} to {most}"
    if not math.isfinite(value):
        return "is no finite number", fix
    if value < least:
        return f"must be at least {least}", fix
    if most is not None and value > most:
        return f"must be at most {most}", fix
    return None
