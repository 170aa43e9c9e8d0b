"""Recipes whose jobs take quotas of their own."""

from recipes.gpt_1b import GPT_1B

DAY = 86_400
WARM = GPT_1B
"""Two nodes that are kept for half an hour."""
SPOT = GPT_1B.model_copy(
    update={
        "name": "gpt-spot",
        "spot": True,
        "warm_pool_seconds": 0,
        "nodes": 4,
        "limits": GPT_1B.limits.model_copy(update={"max_wait_seconds": DAY}),
    }
)
"""Four nodes on spot capacity."""

OF_RECIPES = {
    "quota-training-spot-instances": ("L-09D56C4F", 4),
    "quota-training-warm-pools": ("L-00000001", 2),
}
"""The quota of each check, and what the two recipes add to it."""
