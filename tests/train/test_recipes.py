"""Recipes: a value that exists can be run."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from environments.dev import DEV
from tests.repository import ENVIRONMENTS, RECIPES
from tests.spec.budgets import AMPLE
from tests.train.requests import DEPLOYED, REGISTRY, recipe
from training.image.build import tag
from training.mesh import Launch, Layout
from training.problems import UserError
from training.recipes import find
from training.torchtitan import recipes as torchtitan
from ultracluster.catalogue import instances
from ultracluster.exit_status import UsageError
from ultracluster.planner.devices import comparable_types
from ultracluster.problem import SpecError
from ultracluster.rehearse.job_proof import rehearsal_recipe
from ultracluster.spec.engines import DeepSpeedEngine, TorchrunEngine, TorchtitanEngine
from ultracluster.spec.environment import SageMakerSpec
from ultracluster.spec.library_engines import ScriptSpec, SmpV1Engine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.loading import EnvironmentFileError
from ultracluster.spec.model import DataSpec, ModelSpec, TorchtitanModelSpec
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.train.recipe_files import find_recipe, request_problems
from ultracluster.train.submission import build


@pytest.mark.parametrize("each", RECIPES, ids=lambda each: each.name)
def test_a_recipe_of_the_repository_is_understood_by_the_training_program(each: RecipeSpec):
    """Base recipe, settings and layout exist in the program that will read them."""
    told = each.hyperparameters("run")
    if told["engine"] == "torchtitan":
        ours = torchtitan.chosen(told["recipe"], []).override(json.loads(told["settings"]))
        layout = ours.placed(each.cluster.world, each.cluster.gpus_per_node)
        assert layout.accumulation == each.accumulation_steps
        assert layout.facts["parameters"] == each.model.parameters
        return
    chosen = find(told["recipe"]).override(json.loads(told["settings"]))

    node = each.cluster.gpus_per_node
    launch = Launch(rank=0, world=each.cluster.world, local_rank=0, local_world=node)
    mesh = Layout.of(chosen.parallel, launch)
    assert mesh.partition == each.partition_size
    assert mesh.accumulation(chosen.data.global_batch, chosen.data.micro_batch) >= 1


@pytest.mark.parametrize("each", RECIPES, ids=lambda each: each.name)
def test_a_recipe_of_the_repository_fits_one_of_its_environments(each: RecipeSpec):
    """Nobody finds a recipe that no environment can run, be it one that `plan --write` writes."""
    if each.instance_type not in {spec.nodes.instance_type for spec in ENVIRONMENTS}:
        assert each.instance_type in comparable_types()
        return
    fitting = [
        spec.name
        for spec in ENVIRONMENTS
        if spec.sagemaker.instances >= each.nodes and spec.nodes.instance_type == each.instance_type
    ]
    assert fitting


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "GPT_1"}, 'write "gpt-1"'),
        ({"partition_size": 48}, "write 32 or 64"),
        ({"partition_size": 256}, "does not divide the 128 GPUs"),
        ({"nodes": 3, "partition_size": 12}, "write 8 or 24"),
        ({"tensor_parallel": 3}, "write 2 or 4"),
        ({"tensor_parallel": 16}, "inside a node"),
        ({"partition_size": 4}, "billion parameters at 16 bytes"),
        ({"data": DataSpec(global_batch=1000, micro_batch=4)}, "write 512 or 1024"),
        ({"instance_type": "p4d.48xlarge"}, "EC2 has no such"),
        ({"instance_type": "trn1.32xlarge"}, "NVIDIA GPUs"),
        ({"instance_type": "gr6.8xlarge"}, "SageMaker training does not offer it"),
        ({"warm_pool_seconds": 21_601}, "at most 21600"),
        ({"retry_attempts": 0}, "at least 1"),
        ({"retry_attempts": 31}, "at most 30"),
        ({"environment": (("A", "1"), ("A", "2"))}, "used twice"),
        *(
            ({"partition_size": 8, "tensor_parallel": 1, "engine": each}, "hierarchical_gather")
            for each in (
                TorchrunEngine(hierarchical_gather=True),
                DeepSpeedEngine(program="train.py", hierarchical_gather=True),
            )
        ),
        (
            {"engine": TorchrunEngine(settings=(("data.validation_path", "x" * 2500),))},
            "2,500 characters",
        ),
        (
            {"engine": TorchrunEngine(settings=(("optimizer.warmup_steps", "101"),))},
            "engine.settings.optimizer.warmup_steps: got 101; the run ends at step 100",
        ),
    ],
)
def test_a_recipe_that_cannot_run_cannot_exist(changes: dict[str, Any], words: str):
    """Each problem says what was got and what to write."""
    with pytest.raises(SpecError) as caught:
        recipe(**changes)

    assert words in str(caught.value)


TITAN = {each.name: each for each in RECIPES}["llama3-8b"]
SCRIPT = ScriptSpec(source="s3://b/sourcedir.tar.gz", program="train.py")
OF_THE_LIST = TorchtitanModelSpec(family="llama3", flavor="8B", sequence=2048)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"engine": DeepSpeedEngine(program="train.py"), "tensor_parallel": 2},
            (
                "tensor_parallel: got 2; DeepSpeed's MiCS has no tensor parallelism; write 1, or "
                "use TorchrunEngine"
            ),
        ),
        (
            {
                "engine": SmpV1Engine(script=SCRIPT, acknowledge_archived=True),
                "tensor_parallel": 2,
            },
            "tensor_parallel: got 2; sharded data parallelism has no tensor parallelism; write 1",
        ),
        (
            {"engine": TorchtitanEngine()},
            (
                'model: got "ModelSpec"; torchtitan only trains models that it defines; write '
                "TorchtitanModelSpec"
            ),
        ),
        (
            {"model": OF_THE_LIST},
            (
                'model: got "TorchtitanModelSpec"; '
                "only torchtitan takes a model by name; write ModelSpec, or TorchtitanEngine"
            ),
        ),
    ],
)
def test_what_an_engine_cannot_do_is_one_line(changes: dict[str, Any], line: str):
    with pytest.raises(SpecError) as caught:
        recipe(**changes)

    assert [str(problem) for problem in caught.value.problems] == [line]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"activation_checkpointing": 0},
            [("activation_checkpointing: got 0; torchtitan does not take it; write "
             "engine.recompute, and leave this out")],
        ),
        (
            {"engine": TITAN.engine.model_copy(update={"float8": True})},
            ["engine.float8: got True; A100 GPUs have no float8; write False"],
        ),
        (
            {"engine": TITAN.engine.model_copy(update={"pipeline_parallel": 3})},
            ["partition_size: got 16; 128 ranks in 3 stages do not divide by it; write 8 or 32"],
        ),
        (
            {"tensor_parallel": 3},
            [
                ("partition_size: got 16; tensor and context parallelism are part of it, 3 ranks; "
                "write 15 or 18"),
                "tensor_parallel: got 3; it does not divide the model's 32 heads; write 2 or 4",
                ("model.sequence: got 8192; tensor and context parallelism cut it into 3 pieces; "
                "write 8190 or 8193"),
                "tensor_parallel: got 3; a layer is shared inside a node of 8 ranks; write 2 or 4",
            ],
        ),
    ],
)  # fmt: skip
def test_a_layout_that_torchtitan_does_not_take_is_told_by_our_fields(
    changes: dict[str, Any], lines: list[str]
):
    with pytest.raises(SpecError) as caught:
        TITAN.model_copy(update=changes)

    assert [str(problem) for problem in caught.value.problems] == lines


def test_a_model_that_torchtitan_does_not_have_is_refused():
    with pytest.raises(SpecError, match=r"llama3 has no such flavor; write debugmodel or 1B"):
        TorchtitanModelSpec(family="llama3", flavor="9B", sequence=2048)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ModelSpec(layers=2, width=100, heads=3), "write 2 or 4"),
        (lambda: DataSpec(directory="/data", global_batch=1), "without a slash"),
        (
            lambda: DataSpec(directory="a/../b", global_batch=1),
            "relative to the file system's root",
        ),
        (lambda: LimitsSpec(max_runtime_seconds=29 * 86_400), "at most 2419200"),
        (lambda: TorchrunEngine(settings=(("steps", "1"),)), "write run.steps"),
    ],
)
def test_parts_of_a_recipe_are_judged_by_themselves(make: Any, words: str):
    """The line that is wrong is the line that is named."""
    with pytest.raises(SpecError) as caught:
        make()

    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["p4d.24xlarge", "p5.48xlarge", "g5.8xlarge"])
def test_a_rehearsal_has_a_job_for_every_environment(name: str):
    """Also for somebody's own, of any type that SageMaker trains on."""
    nodes = DEV.nodes.model_copy(update={"instance_type": name, "placement_group": False})
    zone = (instances.find(name).zones("us-east-1") or ("use1-az6",))[0]
    spec = DEV.model_copy(update={"nodes": nodes, "availability_zone_id": zone, "budget": AMPLE})

    found = rehearsal_recipe(spec)
    assert found is not None
    assert found.instance_type == name


def test_an_environment_without_sagemaker_has_none():
    """Nothing is submitted where no instances are asked for."""
    spec = DEV.model_copy(update={"sagemaker": SageMakerSpec(instances=0)})

    assert rehearsal_recipe(spec) is None


def test_the_recipe_of_the_documentation_works():
    """Somebody copies it, so it must hold."""
    page = Path(__file__).parents[2] / "docs" / "training" / "sagemaker.md"
    found: dict[str, object] = {}
    exec(page.read_text().split("```python\n")[1].split("```")[0], found)  # noqa: S102 - our own page

    assert isinstance(found["MINE"], RecipeSpec)


def test_a_file_of_ones_own_is_read(tmp_path: Path):
    """A recipe lives beside the data that it is for; it may build on ours."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from recipes.gpt_1b import GPT_1B\n"
        "MINE = GPT_1B.model_copy(update={'name': 'mine', 'steps': 5})\n"
    )

    assert find_recipe(str(path)).name == "mine"


def test_problems_of_a_file_are_told_together(tmp_path: Path):
    """All at once, each with its place."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from recipes.gpt_1b import GPT_1B\n"
        "MINE = GPT_1B.model_copy(update={'partition_size': 3, 'retry_attempts': 99})\n"
    )

    with pytest.raises(SpecError) as caught:
        find_recipe(str(path))
    assert sorted(problem.field for problem in caught.value.problems) == [
        "gpt-1b.partition_size",
        "gpt-1b.retry_attempts",
    ]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("gpt-9t", UsageError, f"write {', '.join(each.name for each in RECIPES)} or the path"),
        ("gone.py", EnvironmentFileError, "no such file"),
    ],
)
def test_a_recipe_that_there_is_not_is_one_line(name: str, kind: type[Exception], words: str):
    """A mistyped name names the ones there are."""
    with pytest.raises(kind, match=words):
        find_recipe(name)


@st.composite
def drawn(draw: st.DrawFn) -> RecipeSpec:
    """Any recipe for any type that SageMaker trains on, with sizes that fit."""
    name = draw(
        st.sampled_from(
            [
                name
                for name in instances.names()
                if instances.find(name).sagemaker_training_type
                and instances.find(name).accelerator.count
                and instances.find(name).accelerator.manufacturer == "NVIDIA"
            ]
        )
    )
    gpus = instances.find(name).accelerator.count
    nodes = draw(st.integers(1, 64))
    inside = [n for n in range(1, gpus + 1) if gpus % n == 0]
    across = [gpus * n for n in range(1, nodes + 1) if nodes % n == 0]
    partition = draw(st.sampled_from([*inside, *across]))
    tensor = draw(st.sampled_from([n for n in inside if partition % n == 0]))
    assume(32 % tensor == 0)
    micro = draw(st.integers(1, 8))
    return RecipeSpec(
        name=draw(st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)),
        model=ModelSpec(layers=2, width=256, heads=32, sequence=2048),
        data=DataSpec(
            global_batch=micro * (nodes * gpus // tensor) * draw(st.integers(1, 4)),
            micro_batch=micro,
        ),
        steps=draw(st.integers(1, 10**6)),
        nodes=nodes,
        instance_type=name,
        partition_size=partition,
        tensor_parallel=tensor,
        engine=TorchrunEngine(hierarchical_gather=partition > gpus),
        checkpoint=CheckpointSpec(every_steps=10),
        limits=LimitsSpec(max_runtime_seconds=60),
        image="v1",
        warm_pool_seconds=draw(st.integers(0, 21_600)),
        retry_attempts=draw(st.integers(1, 30)),
        tags=tuple(
            draw(
                st.dictionaries(
                    st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.just("x"), max_size=4
                )
            ).items()
        ),
    )


@settings(max_examples=30)
@given(drawn())
def test_every_recipe_that_exists_makes_a_request_that_is_sound(each: RecipeSpec):
    """A spec is valid if it exists: nothing is left for SageMaker to refuse."""
    request = build(each, DEPLOYED, name="dev-gpt-1", run=each.name)

    assert [str(problem) for problem in request_problems(request)] == []


@settings(max_examples=25)
@given(drawn(), st.integers(1, 600))
def test_a_partition_size_is_refused_exactly_where_the_program_refuses_it(
    each: RecipeSpec, size: int
):
    """The recipe and the program's own mesh never disagree."""
    node = each.cluster.gpus_per_node
    try:
        Layout(world=each.cluster.world, node=node, partition=size)
        fits = True
    except UserError:
        fits = False
    change = {
        "partition_size": size,
        "tensor_parallel": 1,
        "engine": TorchrunEngine(),
        "data": DataSpec(global_batch=each.cluster.world),
        "model": ModelSpec(layers=1, width=64, heads=32, vocabulary=64),
    }
    try:
        each.model_copy(update=change)
        exists = True
    except SpecError:
        exists = False
    assert exists == fits


@pytest.mark.parametrize("found", RECIPES, ids=lambda found: found.name)
def test_a_recipe_asks_for_the_image_that_a_build_of_this_checkout_pushes(found: RecipeSpec):
    """`v1` named none: builds push a tag that says their content."""
    request = build(found, DEPLOYED, name="dev-gpt-1", run="gpt")
    image = request["AlgorithmSpecification"]["TrainingImage"]
    titan = isinstance(found.engine, TorchtitanEngine)
    assert image == f"{REGISTRY}/training:{tag('sagemaker', torchtitan=titan)}"


@pytest.mark.parametrize(
    "variable",
    [
        ("FI_PROVIDER", "tcp"),
        ("NCCL_NET", "Socket"),
        ("NCCL_PROTO", "LL128"),
        ("FI_EFA_USE_DEVICE_RDMA", "0"),
        ("NCCL_SOCKET_IFNAME", "lo"),
    ],
)
def test_a_recipe_that_its_nodes_would_refuse_does_not_exist(variable: tuple[str, str]):
    """The judgement of the node check, months before a node runs it."""
    with pytest.raises(SpecError, match=f"environment.{variable[0]}"):
        recipe(environment=(variable,))
    assert recipe(environment=(variable, ("ULTRACLUSTER_FABRIC", "none")))
