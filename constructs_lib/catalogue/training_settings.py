"""Settings of this repository's training program, as a request may hold them.

The program is no part of what is installed to submit a job, so its names stand here once more;
`tests/sagemaker/test_engines.py` holds both equal (training/settings.py).
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from constructs_lib.catalogue.values import number
from constructs_lib.spec.problem import Problem

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


def setting_problems(where: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield settings that the program does not have, or whose values it cannot read.

    Args:
        where: the place of the settings.
        settings: values by part.name.
    """
    known = [f"{part}.{name}" for part, names in SETTINGS.items() for name in names]
    for name, value in settings.items():
        if name not in known:
            last = name.rpartition(".")[2]
            near = [each for each in known if each.endswith(f".{last}")]
            near = near or difflib.get_close_matches(name, known, n=2)
            hint = f"write {' or '.join(near)}" if near else "write it as part.name"
            fix = f"the training program has no such setting; {hint}"
            yield Problem(f"{where}.{name}", value, fix)
        elif name in WHOLE_NUMBERS and number(value) is None:
            yield Problem(f"{where}.{name}", value, "write a whole number")
