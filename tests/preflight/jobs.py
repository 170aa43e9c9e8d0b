"""Recipes whose jobs take quotas of their own."""

from recipes.gpt_1b import GPT_1B

DAY = 86_400
WARM = GPT_1B
"""Two nodes that are kept for half an hour."""
COLD = GPT_1B.model_copy(update={"name": "gpt-cold", "warm_pool_seconds": 0})
"""Two nodes that nobody keeps."""
POOLS = "L-00000001"
"""The quota of warm pools."""
