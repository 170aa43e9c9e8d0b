"""The Lustre file system of a plan: capacity and throughput that FSx offers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.catalogue.prices import lustre_storage, price
from ultracluster.catalogue.values import table

GIB: Final = 2**30
TIB: Final = 2**40
CHECKPOINTS_KEPT: Final = 3
FREE: Final = 1.25
"""Room over what is held: Lustre slows down on full targets."""
BYTES_PER_TOKEN: Final = 4
"""Token ids of 32 bits, as the training program's files may have them."""
INPUT_SHARE: Final = 0.25
"""Part of the throughput that reading data may take."""
DEFAULT_QUOTA_GIB: Final = 100_800
"""Default quota of PERSISTENT_2 capacity (FSx guide, 2022); a quota of the account goes first."""
DEPLOYMENT: Final = "PERSISTENT_2"


@dataclass(frozen=True, slots=True)
class Lustre:
    """A file system that FSx sells."""

    capacity_gib: int
    per_unit_throughput: int
    write_bandwidth: float
    """Bytes/s that its disks write."""
    wanted_bandwidth: float
    """Bytes/s that were asked for."""
    held_bytes: float
    """Data and checkpoints it holds."""
    input_bandwidth: float
    """Bytes/s that training reads."""

    @property
    def above_quota(self) -> bool:
        """Whether a new account must ask for more."""
        return self.capacity_gib > DEFAULT_QUOTA_GIB


def file_system(
    *,
    checkpoint_bytes: float,
    mean_time_between_failures: float,
    share: float,
    data_bytes: float,
    tokens_per_second: float,
    region: str,
) -> Lustre:
    """Return the cheapest file system that holds everything and costs no more than `share`.

    Writing may take d of an interval sqrt(2dM), so d/sqrt(2dM) <= share gives d <= 2 share^2 M.

    Args:
        checkpoint_bytes: Of one checkpoint; three are kept.
        mean_time_between_failures: Of the job, in seconds.
        share: Of the time that checkpoints may take.
        data_bytes: Of the data set.
        tokens_per_second: That training reads.
        region: Whose prices decide; without one the smallest capacity does.
    """
    held = CHECKPOINTS_KEPT * checkpoint_bytes + data_bytes
    longest = 2 * share**2 * mean_time_between_failures
    reading = tokens_per_second * BYTES_PER_TOKEN
    wanted = max(checkpoint_bytes / longest, reading / INPUT_SHARE)
    rules = table("lustre")["deployment_types"][DEPLOYMENT]["SSD"]
    steps = rules["capacity_gib"]
    choices: list[tuple[float, Lustre]] = []
    for tier in rules["per_unit_throughput"]:
        gib = max(held * FREE / GIB, wanted / (tier * 1e6) * TIB / GIB)
        capacity = _sold(gib, steps["allowed"], steps["then_multiple_of"])
        speed = tier * 1e6 * capacity * GIB / TIB
        found = Lustre(capacity, tier, speed, wanted, held, reading)
        each = price(lustre_storage(DEPLOYMENT, "SSD", tier), region)
        choices.append((capacity * float(each.usd) if each else capacity * 1.0, found))
    return min(choices, key=lambda pair: (pair[0], -pair[1].per_unit_throughput))[1]


def _sold(gib: float, allowed: Sequence[int], step: int) -> int:
    """Return the smallest size that is sold and holds so much."""
    return min([*(size for size in allowed if size >= gib), math.ceil(gib / step) * step])
