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

from benchmarks.planner.commands import FITTED, Command, commands  # noqa: E402
from benchmarks.planner.published import Run, published  # noqa: E402
from ultracluster.planner.devices import BY_ROW, EFA_HOP, Network  # noqa: E402
from ultracluster.planner.layout import KEPT, SELECTIVE, Layout, Setup  # noqa: E402
from ultracluster.planner.shape import ModelShape  # noqa: E402
from ultracluster.planner.stack import (  # noqa: E402
    SoftwareStack,
    faster,
    find,
    forget,
    program,
)
from ultracluster.planner.step import step  # noqa: E402

CALIBRATION = ROOT / "ultracluster" / "planner" / "calibration.json"
SCALE = 0.02
FAR = 0.1
"""How far two programs of one kind are apart."""
PER_CHIP = {
    "gemm": (0.75, 0.1),
    "gemm_ramp": (64.0, 1.0),
    "attention": (0.5, 0.3),
    "softmax": (64.0, 1.0),
    "attention_backward": (3.0, 0.25),
}
"""What each is expected to be, and within which factor (as a logarithm): without rows that tell
them apart, constants stay what one would have guessed, so that other shapes are not far off."""
PER_STACK = {"elementwise": (100.0, 0.5), "loss_traffic": (16.0, 0.5)}
SHARED = {
    "step_overhead": (0.02, 1.0),
    "exposed": (0.4, 0.5),
    "live_layers": (12.0, 0.3),
    "shortage": (0.1, 0.5),
}
CHIPS: dict[str, tuple[str, ...]] = {"A100": ("a100_40gb", "a100_80gb"), "H100": ("h100_80gb",)}
"""Matrix units are those of a chip, whatever memory it has: A100 of 40 and 80 GB share theirs."""
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
NAMES = [
    *((stacks, name) for stacks in CHIPS.values() for name in PER_CHIP),
    *(((stack,), name) for stack in STACKS for name in PER_STACK),
    *((STACKS, name) for name in SHARED),
]
"""Which stacks each constant of a vector belongs to, and its name."""
EXPECTED = [{**PER_CHIP, **PER_STACK, **SHARED}[name] for _, name in NAMES]


def unpack(values: Sequence[float]) -> dict[str, SoftwareStack]:
    """Return the stacks that a vector of constants stands for."""
    found: dict[str, dict[str, Any]] = {name: dict(ASSUMED[name]) for name in STACKS}
    for (stacks, name), value in zip(NAMES, values, strict=True):
        for stack in stacks:
            found[stack][name] = value
    return {stack: replace(FIRST, **constants) for stack, constants in found.items()}


def pack(stacks: Mapping[str, SoftwareStack]) -> list[float]:
    """Return the vector of constants of some stacks."""
    return [getattr(stacks[belongs[0]], name) for belongs, name in NAMES]


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
        return replace(half, gemm=values[0])

    # In fp8 only the products change: one constant, of the bf16 peak, from four rows.
    stacks["h100_80gb_fp8"] = in_fp8(
        solve(
            [(1.0, 0.5)],
            lambda values: residuals(eight, {"h100_80gb_fp8": in_fp8(values)}),
        )
    )
    return stacks


def miss(command: Command, change: Callable[[SoftwareStack], SoftwareStack]) -> float:
    """Return the logarithm of predicted over published with a stack that is changed."""
    found = command.plan.outcome.step
    again = step(replace(found.setup, stack=change(found.setup.stack)), found.layout)
    return math.log(again.tokens_per_second / found.layout.gpus / command.published)


def lateness(rows: Sequence[Command]) -> float:
    """Return what part of the time on the network computing waits, of FSDP's runs to fit to."""
    found = solve(
        [(0.2, 1.0)],
        lambda values: [
            miss(row, lambda stack: replace(stack, late=values[0])) / SCALE for row in rows
        ],
    )
    return found[0]


def slowness(rows: Sequence[Command]) -> float:
    """Return how many times longer than FSDP's stack Megatron's computes."""
    now = program("megatron")
    found = solve(
        [(1.1, 0.2)],
        lambda values: [
            miss(row, lambda stack: faster(stack, values[0] / now)) / SCALE for row in rows
        ],
    )
    return found[0]


def fused() -> float:
    """Return what compiling leaves of the element-wise traffic, of two runs on one node.

    The shipped training program on one H100 (docs/training/measurements.md), and Llama 3.1 8B on
    eight under torchtitan, of which only the gain over the run that is not compiled is taken, for
    its GPUs were held to 500 W.
    """
    gpt = ModelShape(24, 2048, 16, 50_304, 2_048, learned_positions=True)
    llama = ModelShape(32, 4096, 32, 128_256, 8_192, 14_336, True, 8, False)
    gpu, one = BY_ROW["h100_80gb"], Network(8, 400e9, 1.0, EFA_HOP)
    alone = Layout(1, 1, micro_batch=16, activations=KEPT)
    eight = Layout(8, 8, micro_batch=2, activations=SELECTIVE)
    stack = find("h100_80gb")

    def rate(shape: ModelShape, layout: Layout, left: float, overhead: float) -> float:
        changed = replace(
            stack,
            elementwise=left * stack.elementwise,
            loss_traffic=left * stack.loss_traffic,
            step_overhead=overhead,
        )
        return step(Setup(shape, gpu, one, changed), layout).tokens_per_second

    def target(values: Sequence[float]) -> list[float]:
        left, usual = values[0], stack.step_overhead
        gain = rate(llama, eight, left, usual) / rate(llama, eight, 1.0, usual)
        ours = rate(gpt, alone, left, 0.0) / 65_817
        return [math.log(ours) / FAR, math.log(gain / (6_667 / 5_762)) / FAR]

    return solve([(0.3, 1.0)], target)[0]


def write(stacks: Mapping[str, SoftwareStack], programs: Mapping[str, float]) -> None:
    """Write the constants, and forget those that were read before."""
    fitted = [run for run in published() if run.fitted]
    entries = {
        name: {
            "basis": f"{sum(run.stack == name for run in fitted)} published runs on one node "
            "(MosaicML llm-foundry, PyTorch FSDP, 2023)",
            "constants": {
                key: round(value, 6) if isinstance(value, float) else value
                for key, value in asdict(stack).items()
            },
        }
        for name, stack in stacks.items()
    }
    data = {
        "_source": "python benchmarks/planner/fit.py",
        "programs": {name: round(value, 6) for name, value in programs.items()},
        "stacks": entries,
    }
    CALIBRATION.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    forget()


def main() -> None:
    """Fit, and write what came out: first what one node tells, then what several do."""
    stacks = fit([run for run in published() if run.fitted])
    write(stacks, {"compiled": 0.3, "megatron": 1.1})
    rows = [command for command in commands() if command.part == FITTED]
    late = lateness([row for row in rows if row.software == "fsdp"])
    stacks = {name: replace(stack, late=late) for name, stack in stacks.items()}
    write(stacks, {"compiled": fused(), "megatron": 1.1})
    rows = [command for command in commands() if command.part == FITTED]
    slow = slowness([row for row in rows if row.software == "megatron"])
    write(stacks, {"compiled": program("compiled"), "megatron": slow})


if __name__ == "__main__":
    main()
