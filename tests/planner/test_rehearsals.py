"""No recipe is shipped that its rehearsal and its plan do not agree about."""

from dataclasses import replace

import pytest

from benchmarks.planner.rehearsals import PAGE, Item, Rehearsed, items, page, sent, traces
from tests.repository import RECIPES
from ultracluster.spec.recipe import RecipeSpec


def rehearsed(recipe: RecipeSpec) -> Rehearsed:
    """Return a recipe with the trace that is kept of it."""
    return Rehearsed.of(recipe, traces()[recipe.name])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda each: each.name)
def test_a_recipe_that_is_shipped_is_what_its_plan_says(recipe: RecipeSpec):
    """It fits, and no item differs by more than 5 %; its trace is of its own settings."""
    found = rehearsed(recipe)

    assert list(found.faults()) == []
    assert {item.name for item in found.items()} >= {
        *("parameters", "gradients", "optimizer state", "activations kept", "largest temporary"),
        *("gathers of weights", "reduce-scatters of gradients"),
    }


def test_a_trillion_parameters_have_a_recipe_for_512_p4d_and_one_for_64_p5():
    large = {r.instance_type: r for r in RECIPES if r.model.parameters > 10**12}

    assert large["p4d.24xlarge"].nodes == 512
    assert large["p5.48xlarge"].nodes == 64
    for recipe in large.values():
        found = rehearsed(recipe)
        assert found.share_of_peak >= 0.30
        assert found.interval < found.between_failures / 4


def test_what_must_not_be_shipped_is_told():
    """Other settings, a GPU that is too small, another plan, checkpoints that are too rare."""
    recipe = next(each for each in RECIPES if each.name == "gpt-13b")
    good = rehearsed(recipe)

    def faults(**changes: object) -> str:
        return "; ".join(replace(good, **changes).faults())  # type: ignore[arg-type]

    assert "other settings" in faults(kept={**good.kept, "settings": {"data": [2048, 4]}})
    held = good.kept["ranks"]["0"]
    full = {"0": {**held, "peak": 2 * held["peak"]}}
    assert "do not fit" in faults(kept={**good.kept, "ranks": full})
    more = {"0": {**held, "optimizer": held["optimizer"] * 1.06}}
    assert "optimizer state differ by -5." in faults(kept={**good.kept, "ranks": more})
    rare = recipe.model_copy(
        update={"checkpoint": recipe.checkpoint.model_copy(update={"every_steps": 100_000})}
    )
    assert "quarter" in faults(recipe=rare)


def test_micro_batches_that_were_not_traced_are_counted():
    """Two of eight were; what is sent once in a step is not repeated."""
    traced = {
        "passes": 2,
        "of_passes": 8,
        "collectives": [
            {"name": "allgather_base", "ranks": 4, "size": 100, "calls": 2, "again": 1},
            {"name": "allreduce", "ranks": 2, "size": 100, "calls": 1, "again": 0},
        ],
    }
    found = {name: size for name, _, size in sent(traced, stages=1)}

    assert found["gathers of weights"] == 8 * 100 * 3 / 4
    assert found["all-reduces between replicas"] == 100


def test_an_item_that_nobody_planned_differs_wholly():
    assert Item("tokens to experts and back", 10.0, 0.0).difference == -1
    good = rehearsed(next(each for each in RECIPES if each.name == "gpt-1b"))
    held = good.kept["ranks"]["0"]
    alien = {"name": "all_to_all_single", "ranks": 8, "size": 2**30, "calls": 9, "again": 0}
    more = {"0": {**held, "collectives": [*held["collectives"], alien]}}
    assert min(item.difference for item in items(good.step, more)) == -1


def test_the_page_is_of_these_traces():
    """`make planner-rehearsals` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()
