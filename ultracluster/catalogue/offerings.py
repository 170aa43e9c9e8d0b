"""Sizes, durations and instance types of Capacity Blocks and training plans.

Sizes and lengths of blocks: EC2 User Guide "Capacity Blocks for ML" and API reference
DescribeCapacityBlockOfferings; of plans: SageMaker developer guide "Search training plan
offerings"; types of plans: botocore 1.43.106, ReservedCapacityInstanceType. All read 2026-11-27.
"""

import math
from typing import Final

SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Instances of one block or plan."""
MOST_DAYS: Final = 182
DAY_BY_DAY: Final = 14
"""Days up to which a block is sold by the day; beyond, by the week. Plans always go by the day."""
LAST_HOURS: Final = 0.5
"""Before the end of a block, in which AWS terminates its instances (an hour for UltraServers)."""
PLAN_TYPES: Final = frozenset(
    (
        *("ml.p4d.24xlarge", "ml.p4de.24xlarge", "ml.p5.4xlarge", "ml.p5.48xlarge"),
        *("ml.p5e.48xlarge", "ml.p5en.48xlarge", "ml.p6-b200.48xlarge", "ml.p6-b300.48xlarge"),
        *("ml.p6e-gb200.36xlarge", "ml.trn1.32xlarge", "ml.trn2.48xlarge"),
    )
)


def size_for(instances: int) -> int | None:
    """Return the smallest size that holds so many instances; None where none does."""
    return next((size for size in SIZES if size >= instances), None)


def hours_for(hours: float, *, block: bool) -> int:
    """Return the length to ask for where so many hours are needed; the longest, where none does."""
    days = max(1, math.ceil((hours + LAST_HOURS * block) / 24))
    if block and days > DAY_BY_DAY:
        days = math.ceil(days / 7) * 7
    return 24 * min(days, MOST_DAYS)


def is_length_of_block(hours: int) -> bool:
    """Whether a block of so many hours can be asked for."""
    return hours == hours_for(hours - LAST_HOURS, block=True)
