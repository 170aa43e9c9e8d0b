"""Settings of this repository's training program, as a request may hold them.

The program is no part of what is installed to submit a job, so its names stand here once more;
`tests/train/test_engines.py` holds both equal (training/settings.py).
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.values import number, text
from ultracluster.spec.problem import MISSING, Problem, choices

SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": (
        "layers",
        "width",
        "heads",
        "vocabulary",
        "sequence",
        "positions",
    ),
    "data": (
        "path",
        "global_batch",
        "micro_batch",
        "validation_path",
        "validation_every",
        "validation_sequences",
    ),
    "run": (
        "steps",
        "path",
        "seed",
        "print_every",
        "peak_tflops",
    ),
    "parallel": (
        "partition_size",
        "tensor_parallel",
        "gpus_per_node",
        "hierarchical_gather",
        "reshard_after_forward",
    ),
    "numerics": (
        "dtype",
        "reduce_dtype",
        "compile",
        "checkpoint_every",
        "attention",
        "loss_chunks",
        "deterministic",
    ),
    "optimizer": (
        "learning_rate",
        "final_fraction",
        "warmup_steps",
        "betas",
        "epsilon",
        "weight_decay",
        "clip_norm",
    ),
    "checkpoint": (
        "path",
        "every",
        "keep",
        "verify",
    ),
}
"""Names by part."""

WHOLE_NUMBERS: Final = frozenset(
    (
        "model.layers",
        "model.width",
        "model.heads",
        "model.vocabulary",
        "model.sequence",
        "data.global_batch",
        "data.micro_batch",
        "data.validation_every",
        "data.validation_sequences",
        "run.steps",
        "run.seed",
        "run.print_every",
        "parallel.partition_size",
        "parallel.tensor_parallel",
        "parallel.gpus_per_node",
        "numerics.checkpoint_every",
        "numerics.loss_chunks",
        "optimizer.warmup_steps",
        "checkpoint.every",
        "checkpoint.keep",
    )
)
"""Settings whose values are whole numbers."""


NAMES: Final = frozenset(f"{part}.{name}" for part, names in SETTINGS.items() for name in names)
NUMBERS: Final = frozenset(
    (
        "run.peak_tflops",
        "optimizer.learning_rate",
        "optimizer.final_fraction",
        "optimizer.epsilon",
        "optimizer.weight_decay",
        "optimizer.clip_norm",
    )
)
"""Settings whose values are numbers, 0 or more."""
YES_OR_NO: Final = frozenset(
    (
        "parallel.hierarchical_gather",
        "parallel.reshard_after_forward",
        "numerics.compile",
        "numerics.deterministic",
        "checkpoint.verify",
    )
)
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "model.positions": ("learned", "rotary"),
    "numerics.dtype": ("bf16", "fp32", "fp64"),
    "numerics.reduce_dtype": ("fp32", "bf16"),
    "numerics.attention": ("cudnn", "flash", "auto"),
}
MAY_BE_ZERO: Final = frozenset(
    (
        "data.validation_every",
        "run.seed",
        "parallel.gpus_per_node",
        "numerics.checkpoint_every",
        "optimizer.warmup_steps",
        "checkpoint.every",
    )
)
"""Whole numbers that may be 0; the others begin at 1, and checkpoints kept at 2."""
LEAST_KEPT: Final = 2
RECIPES: Final = ("smoke", "gpt-124m", "gpt-1b", "gpt-30b-p4d", "gpt-1t-p4d")
"""The program's own (training/recipes.py); any other name is the path of a file in the image."""


def recipe_problems(where: str, name: object) -> Iterator[Problem]:
    """Yield why the program would find no recipe of that name."""
    if not name or not isinstance(name, str):
        fix = f"the training program starts from a recipe of its own; write {choices(RECIPES)}"
        yield Problem(where, MISSING if name is None else name, fix)
    elif name not in RECIPES and not name.endswith(".py"):
        near = difflib.get_close_matches(name, RECIPES, n=2) or list(RECIPES)
        fix = "the training program has no such recipe, and it is no path of a Python file"
        yield Problem(where, name, f"{fix}; write {choices(near)}")


def setting_problems(where: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield settings that the program does not have, or whose values it cannot read.

    Args:
        where: the place of the settings.
        settings: values by part.name.
    """
    known = sorted(NAMES)
    for name, value in settings.items():
        if name not in NAMES:
            last = name.rpartition(".")[2]
            near = [each for each in known if each.endswith(f".{last}")]
            near = near or difflib.get_close_matches(name, known, n=2)
            hint = f"write {' or '.join(near)}" if near else "write it as part.name"
            fix = f"the training program has no such setting; {hint}"
            yield Problem(f"{where}.{name}", value, fix)
        elif instead := _wrong(name, value):
            yield Problem(f"{where}.{name}", value, instead)
    yield from _together(where, settings)


def _wrong(name: str, value: object) -> str | None:
    """Return what to write instead of a value that the program cannot read."""
    if name in WHOLE_NUMBERS:
        least = LEAST_KEPT if name == "checkpoint.keep" else int(name not in MAY_BE_ZERO)
        whole = number(value)
        # Sizes of groups are judged with the GPUs of the job, which say what fits.
        of_groups = name in ("parallel.partition_size", "parallel.tensor_parallel")
        if whole is None:
            return "write a whole number of 32 bits" if _is_long(value) else "write a whole number"
        return f"write {least} or more" if whole < least and not of_groups else None
    if name in NUMBERS:
        found = _real(value)
        return None if found is not None and found >= 0 else "write a number, 0 or more"
    if name in YES_OR_NO and str(value).lower() not in ("true", "false"):
        return "write true or false"
    if name in CHOICES and value not in CHOICES[name]:
        return f"there is no such choice; write {choices(CHOICES[name])}"
    return None


def _is_long(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal())


def _real(value: object) -> float | None:
    """Return a finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _together(where: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield values that do not fit each other, wherever both are said."""
    names = ("model.width", "model.heads", "model.sequence", "parallel.tensor_parallel")
    width, heads, sequence, ways = (number(settings.get(name)) for name in names)
    if width and heads and width % heads:
        fix = f"it does not divide model.width, {width}; write one that does"
        yield Problem(f"{where}.model.heads", heads, fix)
    elif (
        width
        and heads
        and (width // heads) % 2
        and text(settings.get("model.positions")) == "rotary"
    ):
        fix = f"it turns pairs, and a head has {width // heads} values; write learned"
        yield Problem(f"{where}.model.positions", "rotary", fix)
    for name, value in (("heads", heads), ("sequence", sequence)):
        if ways and value and value % ways:
            fix = f"it does not divide model.{name}, {value}; write one that does"
            yield Problem(f"{where}.parallel.tensor_parallel", ways, fix)
