"""Goodput: the share of time that remains after failures, restarts and checkpoints."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SECONDS_PER_DAY: Final = 86_400

LONGEST_INTERVAL: Final = 0.25
"""Part of the mean time between failures that work between two checkpoints takes at most: else
most of a failure's cost is work that is done twice, whatever the formula for short ones says."""

CHECKPOINT_BYTES: Final = 14
"""Bytes per parameter: bf16 weights, fp32 master weights and both moments of Adam. BLOOM's
checkpoints of 176 B parameters were 2.3 TB, 13.1 a parameter (stas00/ml-engineering)."""


@dataclass(frozen=True, slots=True)
class FailureRate:
    """How often a node takes a job down."""

    per_node_day: float
    """Failures of a node of eight GPUs in a day."""
    source: str


RATES: Final[Mapping[str, FailureRate]] = {
    "opt-175b": FailureRate(
        1.6e-2, "OPT-175B, about 2 of 124 nodes a day (metaseq chronicles/final_update.md, 2022)"
    ),
    "rsc-1": FailureRate(6.5e-3, "Meta RSC-1, A100, 6.50 per 1,000 node-days (arXiv 2410.21680)"),
    "llama-3": FailureRate(
        3.8e-3, "Llama 3 405B, 419 in 54 days on 2,048 nodes of H100 (Meta, 2024)"
    ),
    "rsc-2": FailureRate(2.3e-3, "Meta RSC-2, A100, 2.34 per 1,000 node-days (arXiv 2410.21680)"),
}
"""Rates that were published. Node rates are 3 to 4 times too good for small jobs (RSC-1 predicts
28.8 h between failures of 1,024 GPUs and measured 7.9 h)."""


@dataclass(frozen=True, slots=True)
class Goodput:
    """What failures and checkpoints leave."""

    mean_time_between_failures: float
    """Of the whole job, in seconds."""
    interval: float
    """Seconds of work between two checkpoints."""
    checkpoint_bytes: float
    """Of one checkpoint."""
    write_seconds: float
    """That training stands still for one."""
    restart_seconds: float
    """From a failure to the first new step."""
    fraction: float
    """Of the time that becomes training, 0 to 1."""
    spare_nodes: int
    """That bridge repairs."""

    @property
    def checkpoint_share(self) -> float:
        """Share of the time that checkpoints take."""
        return self.write_seconds / (self.interval + self.write_seconds)


def fraction(interval: float, *, mean: float, write: float, restart: float) -> float:
    """Return the share of the time that becomes training; exact for exponential failures.

    A failure may strike at any time, also while a checkpoint is written or the job restarts. With
    work T between checkpoints of d seconds, mean M and restart R it is T over
    M e^(R/M) (e^((T+d)/M) - 1), the expected time that one interval takes (Daly 2006).
    """
    exponent = (interval + write) / mean
    if exponent + restart / mean > 700:  # noqa: PLR2004 - beyond what a float's exponential holds
        return 0.0
    return interval / (mean * math.exp(restart / mean) * math.expm1(exponent))


def daly(*, mean: float, write: float) -> float:
    """Return Daly's interval (2006, second order)."""
    if write >= 2 * mean:
        return mean
    ratio = write / (2 * mean)
    return math.sqrt(2 * write * mean) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - write


def spares(nodes: int, per_node_day: float, repair_days: float) -> int:
    """Return the nodes that are enough with 99 % for all that are being repaired at a time."""
    expected = nodes * per_node_day * repair_days
    probability = total = math.exp(-expected)
    count = 0
    while total < 0.99:  # noqa: PLR2004
        count += 1
        probability *= expected / count
        total += probability
        if probability < 1e-18 and count > expected:  # noqa: PLR2004 - rounding ends it
            break
    return count


def goodput(
    *,
    parameters: float,
    nodes: int,
    rate: float,
    write_bandwidth: float,
    restart_seconds: float,
    repair_days: float = 1.0,
) -> Goodput:
    """Return what failures and checkpoints leave of the time.

    A rate is of failures per node and day; bytes/s are written to the file system.
    """
    mean = SECONDS_PER_DAY / (nodes * rate)
    size = CHECKPOINT_BYTES * parameters
    write = size / write_bandwidth
    interval = min(max(daly(mean=mean, write=write), write / 100), LONGEST_INTERVAL * mean)
    return Goodput(
        mean_time_between_failures=mean,
        interval=interval,
        checkpoint_bytes=size,
        write_seconds=write,
        restart_seconds=restart_seconds,
        fraction=fraction(interval, mean=mean, write=write, restart=restart_seconds),
        spare_nodes=spares(nodes, rate, repair_days),
    )
