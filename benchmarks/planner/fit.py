"""Fit the planner's constants to half of the published one-node runs.

    python benchmarks/planner/fit.py          # rewrites ultracluster/planner/calibration.json

Least squares of the logarithm of tokens per second, with a soft loss beyond 2 %: some published
rows are off by 20 % from their neighbours, and must not pull the rest along. What belongs to FSDP
and not to a GPU (overlap, layers in flight, what their shortage costs) is one constant for all.
"""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.planner.published import Run, published  # noqa: E402
from ultracluster.planner.stack import SoftwareStack  # noqa: E402

SCALE = 0.02
PER_GPU = {
    "gemm": (0.75, 0.1),
    "gemm_ramp": (64.0, 1.0),
    "attention": (0.5, 0.3),
    "softmax": (64.0, 1.0),
    "attention_backward": (3.0, 0.25),
    "elementwise": (100.0, 0.5),
    "loss_traffic": (16.0, 0.5),
}
"""What each is expected to be, and within which factor (as a logarithm): without rows that tell
them apart, constants stay what one would have guessed, so that other shapes are not far off."""
SHARED = {
    "step_overhead": (0.02, 1.0),
    "exposed": (0.4, 0.5),
    "live_layers": (12.0, 0.3),
    "shortage": (0.1, 0.5),
}
ASSUMED: dict[str, dict[str, Any]] = {
    "a100_40gb": {"reduce_bytes": 2},
    "a100_80gb": {"reduce_bytes": 4},
    "h100_80gb": {"reduce_bytes": 4},
}
FIRST = SoftwareStack(
    gemm=0.7,
    gemm_ramp=0,
    attention=0.5,
    softmax=0,
    attention_backward=3,
    elementwise=100,
    loss_traffic=20,
    step_overhead=0,
    exposed=0.3,
    live_layers=10,
    shortage=0.1,
)
STACKS = tuple(ASSUMED)


def unpack(values: Sequence[float]) -> dict[str, SoftwareStack]:
    """Return the stacks that a vector of constants stands for."""
    shared = dict(zip(SHARED, values[-len(SHARED) :], strict=True))
    found = {}
    for index, name in enumerate(STACKS):
        own = values[index * len(PER_GPU) : (index + 1) * len(PER_GPU)]
        constants = {**dict(zip(PER_GPU, own, strict=True)), **shared, **ASSUMED[name]}
        found[name] = replace(FIRST, **{key: constants[key] for key in constants})
    return found


EXPECTED = [*PER_GPU.values()] * len(STACKS) + [*SHARED.values()]


def pack(stacks: Mapping[str, SoftwareStack]) -> list[float]:
    """Return the vector of constants of some stacks."""
    own = [getattr(stacks[name], constant) for name in STACKS for constant in PER_GPU]
    return own + [getattr(stacks[STACKS[0]], constant) for constant in SHARED]


def loss(runs: Sequence[Run], values: Sequence[float]) -> float:
    """Return what the fit makes small: soft squares of the errors, and of doubtful constants."""
    missed = residuals([run for run in runs if run.stack in STACKS], unpack(values))
    doubts = [math.log(v / e) / w for v, (e, w) in zip(values, EXPECTED, strict=True)]
    return sum(2 * (math.sqrt(1 + part**2) - 1) for part in (*missed, *doubts))


def residuals(runs: Sequence[Run], stacks: dict[str, SoftwareStack]) -> list[float]:
    """Return the logarithms of predicted over published, in units of `SCALE`."""
    return [math.log1p(run.error(stacks[run.stack])) / SCALE for run in runs]


def solve(
    expected: Sequence[tuple[float, float]], target: Callable[[Sequence[float]], list[float]]
) -> list[float]:
    """Return the constants that miss the least, searched for as multiples of what is expected."""

    def both(logarithms: Sequence[float]) -> list[float]:
        values = [e * math.exp(x) for x, (e, _) in zip(logarithms, expected, strict=True)]
        doubts = [x / width for x, (_, width) in zip(logarithms, expected, strict=True)]
        return [*target(values), *doubts]

    # Imported here: tests judge the constants by `loss` alone.
    from scipy.optimize import least_squares  # noqa: PLC0415

    found = least_squares(both, [0.0] * len(expected), loss="soft_l1")
    return [e * math.exp(x) for x, (e, _) in zip(found.x, expected, strict=True)]


def fit(runs: Sequence[Run]) -> dict[str, SoftwareStack]:
    """Return the constants of every stack, fitted to some runs and to no others."""
    mixed = [run for run in runs if run.stack in STACKS]
    stacks = unpack(solve(EXPECTED, lambda values: residuals(mixed, unpack(values))))
    eight = [run for run in runs if run.stack == "h100_80gb_fp8"]
    half = stacks["h100_80gb"]

    def in_fp8(values: Sequence[float]) -> SoftwareStack:
        return replace(half, gemm=values[0], fp8=True)

    # In fp8 only the products change: one constant, of the bf16 peak, from four rows.
    stacks["h100_80gb_fp8"] = in_fp8(
        solve(
            [(1.0, 0.5)],
            lambda values: residuals(eight, {"h100_80gb_fp8": in_fp8(values)}),
        )
    )
    return stacks


def main() -> None:
    """Fit, and write what came out."""
    runs = [run for run in published() if run.fitted]
    stacks = fit(runs)
    entries = {
        name: {
            "basis": f"{sum(run.stack == name for run in runs)} published runs on one node "
            "(MosaicML llm-foundry, PyTorch FSDP, 2023)",
            "constants": {
                key: round(value, 6) if isinstance(value, float) else value
                for key, value in asdict(stack).items()
            },
        }
        for name, stack in stacks.items()
    }
    text = json.dumps({"_source": "python benchmarks/planner/fit.py", "stacks": entries}, indent=1)
    (ROOT / "ultracluster" / "planner" / "calibration.json").write_text(
        text + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
