"""A budget that no sample comes near, for tests of everything but money."""

from typing import Final

from ultracluster.catalogue import instances, prices, slurm
from ultracluster.spec.budget import NEAREST_PRICES, BudgetSpec, PriceSpec

LOGIN_TYPES: Final = ("m6i.xlarge", "m7g.2xlarge", "c8gn.metal-24xl", "t3.medium", "r8i.96xlarge")
"""Instance types that samples log in to."""

PLAIN_TYPES: Final = ("m7g.xlarge", "c7gn.xlarge", "c6id.8xlarge")
"""Further types without EFA that samples name."""


def _unknown() -> list[str]:
    types = [instances.find(name) for name in instances.names()]
    items = [
        *(
            part(size)
            for size in slurm.SIZES
            for part in (prices.slurm_controller, prices.slurm_node, prices.slurm_accounting)
        ),
        *(prices.on_demand(name) for name in (*LOGIN_TYPES, *PLAIN_TYPES)),
        prices.LUSTRE_BACKUP,
        prices.LUSTRE_HDD_CACHE,
        prices.LUSTRE_READ_CACHE,
        prices.lustre_storage("SCRATCH_1", "SSD", None),
        prices.lustre_storage("PERSISTENT_2", "INTELLIGENT_TIERING", None),
        *(prices.on_demand(t.name) for t in types),
        *(prices.capacity_block(t.name) for t in types),
        *(
            prices.sagemaker_training(t.sagemaker_training_type)
            for t in types
            if t.sagemaker_training_type
        ),
    ]
    return [item.name for item in items if prices.price(item, NEAREST_PRICES) is None]


AMPLE: Final = BudgetSpec(
    ceiling_usd_per_day=10**9,
    price_region=NEAREST_PRICES,
    prices=tuple(PriceSpec(item=name, usd=100) for name in _unknown()),
)
"""Everything has a price."""

TOLD: Final = AMPLE.model_copy(update={"notify": ("team@example.com",)})
"""Capacity that is paid for, used or not, must be told of."""
