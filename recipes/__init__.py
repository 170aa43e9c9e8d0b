"""The recipes of this repository, each one file; add yours as one import and one name."""

from ultracluster.spec.loading import verified
from ultracluster.spec.problem import collecting

with collecting() as _collection:
    from recipes.gpt_1b import GPT_1B
    from recipes.gpt_13b import GPT_13B
    from recipes.gpt_50b import GPT_50B

RECIPES = verified(_collection, (GPT_1B, GPT_13B, GPT_50B))
