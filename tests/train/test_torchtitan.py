"""The engine torchtitan: what a recipe of it may be, and what it tells the program."""

import json
from typing import Any

import pytest

from facts import job_environment
from tests.train.requests import DEPLOYED, recipe
from training.problems import UserError
from training.torchtitan.recipes import chosen
from ultracluster.catalogue.torchtitan import MODELS, Layout
from ultracluster.catalogue.training_settings import OWN, TITAN, known_settings, pushed_tag
from ultracluster.problem import SpecError, collecting
from ultracluster.spec.engines import TorchrunEngine, TorchtitanEngine
from ultracluster.spec.model import DataSpec, ModelSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.train.recipe_files import request_problems
from ultracluster.train.submission import build

LLAMA = TorchtitanModelSpec(family="llama3", flavor="8B", sequence=8192)
EXPERTS = TorchtitanModelSpec(family="deepseek_v3", flavor="16B", sequence=4096)


def titan(*, engine: dict[str, Any] | None = None, **changes: Any) -> RecipeSpec:
    """Return a recipe of Llama 3 8B on 16 nodes."""
    given: dict[str, Any] = {
        "model": LLAMA,
        "data": DataSpec(global_batch=512, micro_batch=1),
        "engine": TorchtitanEngine(**(engine or {})),
        **changes,
    }
    return recipe(**given)


def test_torchtitan_is_told_what_it_understands():
    """Sizes of the recipe arrive as those of the program, which judges them the same way."""
    found = titan(tensor_parallel=2, engine={"pipeline_parallel": 4}).hyperparameters("llama")

    assert (found["engine"], found["recipe"]) == ("torchtitan", "llama3-8b")
    settings = chosen(found["recipe"], []).override(json.loads(found["settings"]))
    layout = settings.placed(128, 8)
    assert (layout.partition, layout.tensor, layout.pipeline) == (16, 2, 4)
    assert settings.checkpoint.path == "/opt/ml/input/data/lustre/checkpoints/llama"


def test_a_recipe_that_names_no_image_takes_the_one_that_its_program_is_in():
    """Both are pushed into one repository, and a job would end with "no such module"."""
    given = {name: value for name, value in titan() if name not in {"image", "engine", "model"}}
    images = {
        program: RecipeSpec(model=model, engine=engine, **given).image
        for program, model, engine in (
            (TITAN, LLAMA, TorchtitanEngine()),
            (OWN, ModelSpec(layers=40, width=5120, heads=40), TorchrunEngine()),
        )
    }

    assert images == {TITAN: pushed_tag(TITAN), OWN: pushed_tag(OWN)}
    assert images[TITAN] != images[OWN]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"model": ModelSpec(layers=40, width=5120, heads=40)}, "model", "TorchtitanModelSpec"),
        ({"engine": {"base": "lama3-8b"}}, "base", "llama3-8b"),
        ({"engine": {"settings": (("optimizer.rate", "1"),)}}, "settings", "no such setting"),
        ({"engine": {"expert_parallel": 8}}, "engine.expert_parallel", "no experts"),
        ({"engine": {"expert_parallel": 3}, "model": EXPERTS}, "engine.expert_parallel", "write"),
        ({"engine": {"context_parallel": 3}}, "partition_size", "write 15 or 18"),
        ({"engine": {"pipeline_parallel": 3}}, "partition_size", "3 stages"),
        ({"engine": {"pipeline_parallel": 64}}, "partition_size", "64 stages"),
        (
            {"engine": {"pipeline_schedule": "Interleaved1F1B"}},
            "engine.pipeline_schedule",
            "one stage",
        ),
        ({"engine": {"float8": True}}, "engine.float8", "have no float8"),
        ({"tensor_parallel": 16}, "tensor_parallel", "write 8"),
        ({"partition_size": 12}, "partition_size", "write 8 or 16"),
        ({"partition_size": 2}, "partition_size", "billion parameters at 16 bytes"),
        ({"data": DataSpec(global_batch=500)}, "data.global_batch", "write 384 or 512"),
        (
            {"engine": {"pipeline_parallel": 8}, "data": DataSpec(global_batch=64)},
            "data.global_batch",
            "do not fill 8 stages",
        ),
        ({"activation_checkpointing": 2}, "activation_checkpointing", "engine.recompute"),
    ],
)
def test_a_recipe_that_torchtitan_cannot_run_cannot_exist(changes, field, words):
    """Each says where and what to write instead, before any capacity is waited for."""
    with pytest.raises(SpecError) as raised:
        titan(**changes)
    assert f"{field}" in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"family": "llama", "flavor": "8B", "sequence": 8192}, "llama3"),
        ({"family": "llama3", "flavor": "7B", "sequence": 8192}, "8B"),
        ({"family": "llama3", "flavor": "8B", "sequence": 200_000}, "write 1 to 131072"),
    ],
)
def test_a_model_is_of_torchtitans_own_list(model, words):
    with pytest.raises(SpecError, match=words):
        TorchtitanModelSpec(**model)
    with collecting() as found:  # as the specs of a file are made: all its mistakes are told
        titan(model=TorchtitanModelSpec(**model))
    assert words in "".join(map(str, found.problems(())))


def test_the_training_program_refuses_a_name_of_torchtitans_list():
    with pytest.raises(SpecError, match="TorchtitanEngine"):
        recipe(model=LLAMA, engine=TorchrunEngine(base="gpt-1b"))


def test_the_catalogue_knows_torchtitans_settings():
    assert set(known_settings(TITAN)) == set(job_environment.torchtitan()["settings"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parallel.partition_size": "48"}, "write 32 or 64"),
        ({"parallel.expert_parallel": "4"}, "no experts"),
        ({"parallel.pipeline_paralel": "4"}, "parallel.pipeline_parallel"),
        ({"data.global_batch": "100"}, "write 128"),
        ({"numerics.recompute": "some"}, "write none, selective or full"),
        ({"model.flavor": "9B"}, "no such flavor"),
    ],
)
def test_a_request_for_torchtitan_is_judged_before_it_is_sent(change, words):
    """A request that somebody wrote by hand meets the same judgement as a recipe."""
    sent = build(titan(), DEPLOYED, run="llama", name="llama-1")
    settings = json.loads(sent["HyperParameters"]["settings"]) | change
    sent["HyperParameters"]["settings"] = json.dumps(settings)
    assert any(words in str(problem) for problem in request_problems(sent))


def test_a_request_as_it_is_built_has_no_problem():
    sent = build(titan(), DEPLOYED, run="llama", name="llama-1")
    assert not list(request_problems(sent))


@pytest.mark.parametrize(
    "sizes",
    [
        {"partition": 24, "tensor": 3},
        {"partition": 16, "pipeline": 3},
        {"partition": 64, "batch": 100},
    ],
)
def test_program_and_command_judge_a_layout_alike(sizes):
    """It is one function: the command has it by a link, so a disagreement is a broken link."""
    layout = Layout(
        family="llama3", flavor="8B", sequence=8192, world=128, node=8, **{"batch": 512, **sizes}
    )
    names = {
        "parallel.partition_size": layout.partition,
        "parallel.tensor_parallel": layout.tensor,
        "parallel.context_parallel": layout.context,
        "parallel.pipeline_parallel": layout.pipeline,
        "data.global_batch": layout.batch,
    }
    faults = [fault.field for fault in layout.faults()]
    with pytest.raises(UserError, match=faults[0]):
        chosen("llama3-8b", [f"{name}={value}" for name, value in names.items()]).placed(128, 8)


def test_a_trillion_parameters_are_of_torchtitans_own_list():
    """The recipe's size is what torchtitan counts, not what we would like it to be."""
    assert MODELS["kimi_k2_7"]["Kimi-K2.5"]["parameters"] > 10**12
