"""A recipe as a question to the planner."""

from typing import Any, Final

from ultracluster.planner.layout import KEPT, RECOMPUTED, SELECTIVE, Only
from ultracluster.planner.question import Question
from ultracluster.planner.shape import ModelShape
from ultracluster.spec.engines import TorchtitanEngine
from ultracluster.spec.model import ModelSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec

WAYS: Final = {"none": KEPT, "selective": SELECTIVE, "full": RECOMPUTED}

ALIKE: Final = (
    *("layers", "heads", "vocabulary", "key_value_heads", "dense_layers"),
    *("experts", "experts_per_token", "expert_width", "shared_experts"),
)
"""What torchtitan's list and the planner call the same."""


def shape_of(model: ModelSpec | TorchtitanModelSpec) -> ModelShape:
    """Return a recipe's model as the planner has it."""
    if isinstance(model, ModelSpec):
        return ModelShape(model.layers, model.width, model.heads, model.vocabulary, model.sequence)
    facts = model.facts
    alike: dict[str, Any] = {name: facts[name] for name in ALIKE}
    return ModelShape(
        hidden=facts["width"],
        sequence=model.sequence,
        feed_forward=facts["inner"],
        gated=True,
        tied=bool(facts["tied"]),
        head_size=facts["head"],
        attention=facts["low_rank_attention"],
        **alike,
    )


def question_of(recipe: RecipeSpec, region: str = "us-east-1") -> Question:
    """Return the question whose answer is the plan of a recipe."""
    engine, shape = recipe.engine, shape_of(recipe.model)
    named = engine if isinstance(engine, TorchtitanEngine) else None
    batch = recipe.data.global_batch * shape.sequence
    return Question(
        shape,
        float(recipe.steps * batch),
        recipe.instance_type,
        region=region,
        nodes=recipe.nodes,
        batch_tokens=batch,
        software="torchtitan" if named else "training",
        only=Only(
            group=recipe.partition_size * engine.stages,
            tensor=recipe.tensor_parallel,
            micro_batch=recipe.data.micro_batch,
            activations=WAYS[named.recompute] if named else RECOMPUTED,
            pipeline=engine.stages,
            chunks=1,
            context=engine.sequence_ranks,
            expert=named.expert_parallel if named else 1,
        ),
    )
