"""Mistakes are answered with what was given, why it cannot be, and what to write instead."""

import ast
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from training.mesh import Launch, Layout
from training.problems import UserError
from training.recipes import GPT_1B, GPT_1T_P5, RECIPES, SMOKE, find

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((32, 8, 5, 1), "parallel.partition_size = 5: does not divide the 32 ranks"),
        (
            (48, 8, 12, 1),
            "12: neither divides the 8 GPUs of a node nor is a multiple of them: groups would",
        ),
        ((48, 8, 12, 1), "write 1, 2, 4, 8, 16, 24 or 48"),
        ((32, 8, 64, 1), "write 1, 2, 4, 8, 16 or 32"),
        ((12, 8, 4, 1), "parallel.gpus_per_node = 8: does not divide the 12 ranks"),
        ((32, 8, 32, 3), "parallel.tensor_parallel = 3: does not divide the 8 GPUs of a node"),
        (
            (32, 8, 2, 4),
            "tensor_parallel = 4: does not divide parallel.partition_size = 2; write 1 or 2",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_explained(sizes, said):
    with pytest.raises(UserError) as caught:
        Layout(*sizes)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1, 1, 1),
        (8, 8, 8, 1),
        (4096, 8, 2048, 8),
        (48, 8, 24, 2),
        (48, 8, 16, 8),
        (24, 8, 4, 2),
    ],
)
def test_groups_that_follow_nodes_are_accepted(sizes):
    layout = Layout(*sizes)
    assert layout.replicas * layout.shards * layout.tensor == layout.world


def test_a_batch_that_cannot_be_shared_names_two_that_can():
    with pytest.raises(UserError, match="write 96 or 128"):
        Layout(32, 8, 8).accumulation(100, 1)
    assert Layout(32, 8, 8, 2).accumulation(128, 2) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"model.heads": "5"},
            "model.heads = 5: does not divide model.width = 64; write 2, 4 or 8",
        ),
        ({"model.layers": "many"}, "--set model.layers=many: is not of type int"),
        ({"model.depth": "2"}, "--set model.depth=2: no such setting"),
        ({"optimizer.learningrate": "2"}, "no such setting; write optimizer.learning_rate"),
        ({"checkpoint": "2"}, "write checkpoint.path or checkpoint.every or checkpoint.keep or"),
        ({"qqq": "2"}, "no such setting; write PART.NAME=VALUE"),
        ({"partition_size": "2"}, "write parallel.partition_size"),
        ({"numerics.dtype": "fp8"}, "write bf16 or fp32 or fp64"),
        ({"numerics.compile": "yes"}, "write true or false"),
        ({"optimizer.betas": "0.9,1.5"}, "optimizer.betas[1] = 1.5: is a decay factor"),
        ({"checkpoint.keep": "1"}, "a damaged checkpoint needs one before it; write 2 or more"),
        ({"checkpoint.path": "none"}, "checkpoint.every = 10: there is nowhere to write to"),
        ({"parallel.tensor_parallel": "3", "parallel.partition_size": "3"}, "model.heads = 4"),
        ({"data.validation_every": "5"}, "there are no held-out tokens"),
        ({"data.validation_every": "-1"}, "must be at least 0"),
        ({"data.validation_every": "-3"}, "must be at least 0; write 0 or more"),
        (
            {"optimizer.final_fraction": "5"},
            "final_fraction = 5.0: must be at most 1; write 0 to 1",
        ),
        ({"optimizer.learning_rate": "3"}, "must be at most 1"),
        ({"optimizer.weight_decay": "10"}, "must be at most 1"),
        ({"run.timeout_minutes": "0"}, "must be at least 0.1; write 0.1 to 1440"),
        ({"run.most_skipped": "-1"}, "must be at least 0"),
        ({"run.slowest": "0.5"}, "is passed by the median itself; write more than 1"),
        ({"optimizer.learning_rate": "0"}, "changes no weight"),
        ({"optimizer.epsilon": "0"}, "makes NaN of a weight whose gradients are all zero"),
        ({"run.loss_spike": "nan"}, "is no finite number"),
        (
            {"data.weights": "0.5,0.5"},
            "are for 2 folders and data.path names 1; write one for each",
        ),
        ({"data.path": "a,b", "data.weights": "1,0"}, "of which none is below 1 in 65,536"),
        ({"data.path": "a,b", "data.weights": "1,-1"}, "write positive numbers, as in 0.7,0.3"),
        ({"data.path": "a,b", "data.weights": "nan,1"}, "write positive numbers"),
        ({"data.path": "a,b", "data.weights": "inf,inf"}, "write positive numbers"),
        ({"data.path": " "}, "data.path = ' ': is empty"),
        ({"model.layers": "99999999999"}, "must be at most 2147483647"),
        ({"checkpoint.every": "-1"}, "must be at least 0"),
        ({"model.width": "36", "model.heads": "12", "model.positions": "rotary"}, "rotates pairs"),
    ],
)
def test_settings_that_cannot_be_are_explained(change, said):
    with pytest.raises(UserError) as caught:
        SMOKE.override(change)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("part", "values", "said"),
    [
        ("run", {"steps": 5.5}, "run.steps = 5.5: is of another type; write a whole number"),
        ("run", {"steps": True}, "run.steps = True: is of another type; write a whole number"),
        ("run", {"steps": "5"}, "run.steps = '5': is of another type"),
        ("run", {"peak_tflops": None}, "write a number"),
        ("numerics", {"dtype": "fp8"}, "is of another type; write bf16 or fp32 or fp64"),
        ("numerics", {"compile": "no"}, "write true or false"),
        ("optimizer", {"betas": 0.9}, "write numbers, as in 0.9,0.95"),
        ("checkpoint", {"path": Path("c")}, "write a text"),
        ("data", {"weights": ("a",)}, "write numbers"),
    ],
)
def test_a_recipe_in_python_is_held_to_the_types_of_its_values(part, values, said):
    """A file can write what no command line can, and what the run would stumble over at night."""
    changed = replace(getattr(SMOKE, part), **values)
    with pytest.raises(UserError) as caught:
        replace(SMOKE, **{part: changed})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nRECIPE = b", "line 2: NameError: name 'b' is not defined; mend the file"),
        ("RECIPE = (", "line 1: SyntaxError"),
        ("from training.settings import Settings\nRECIPE = Settings()", "line 2: TypeError"),
        ("RECIPE = 1", "defines no RECIPE"),
    ],
)
def test_a_recipe_that_cannot_be_read_names_its_line(tmp_path, text, said):
    """Its writer looks for the line, not for ours."""
    (tmp_path / "recipe.py").write_text(text)
    with pytest.raises(UserError, match=r"recipe\.py") as caught:
        find(str(tmp_path / "recipe.py"))
    assert said in str(caught.value)


def test_a_launcher_that_says_no_number_is_told():
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    with pytest.raises(UserError, match="WORLD_SIZE = 'two': is no whole number"):
        Launch.read({**dict.fromkeys(names, "0"), "WORLD_SIZE": "two"})


def test_every_problem_is_reported_at_once():
    with pytest.raises(UserError) as caught:
        SMOKE.override({"model.heads": "5", "run.steps": "0", "checkpoint.keep": "0"})
    assert len(str(caught.value).splitlines()) == 3


def test_texts_become_values_of_their_type():
    changed = SMOKE.override(
        {
            "optimizer.betas": "0.8,0.9",
            "checkpoint.path": "none",
            "checkpoint.every": "0",
            "numerics.compile": "True",
            "optimizer.learning_rate": "1e-3",
        }
    )
    assert changed.optimizer.betas == (0.8, 0.9)
    assert changed.checkpoint.path is None
    assert changed.numerics.compile is True
    assert changed.optimizer.learning_rate == 1e-3


def test_recipes_fit_their_clusters():
    """What is shipped by name must start on the machines it names."""
    for name, world in (("gpt-30b-p4d", 128), ("gpt-1t-p5", 512)):
        recipe = RECIPES[name]
        layout = Layout.of(recipe.parallel, Launch(0, world, 0, 8))
        assert layout.accumulation(recipe.data.global_batch, recipe.data.micro_batch) >= 1
    assert Layout.of(GPT_1T_P5.parallel, Launch(0, 512, 0, 8)).replicas == 1


def test_a_recipe_is_a_python_file_too(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from training.recipes import SMOKE\nRECIPE = SMOKE.override({'run.steps': '7'})\n"
    )
    assert find(str(file)).run.steps == 7
    file.write_text("recipe = 1\n")
    with pytest.raises(UserError, match="write RECIPE = Settings"):
        find(str(file))
    with pytest.raises(UserError, match="write one of smoke, gpt-124m"):
        find("gpt-2b")


@pytest.mark.parametrize(
    ("environment", "launch"),
    [
        ({}, Launch(0, 1, 0, 1)),
        (
            {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "8"},
            Launch(9, 16, 1, 8),
        ),
        (
            {
                "SLURM_PROCID": "9",
                "SLURM_NTASKS": "16",
                "SLURM_LOCALID": "1",
                "SLURM_NTASKS_PER_NODE": "8",
                "MASTER_ADDR": "a",
            },
            Launch(9, 16, 1, 8),
        ),
        ({"SLURM_PROCID": "0"}, Launch(0, 1, 0, 1)),
    ],
)
def test_torchrun_srun_and_neither_are_understood(environment, launch):
    assert Launch.read(environment) == launch


def test_ranks_scattered_over_nodes_are_refused():
    """With --distribution=cyclic srun would put every partition group across all nodes."""
    with pytest.raises(UserError, match=r"start with srun --distribution=block"):
        Launch.read({"RANK": "1", "WORLD_SIZE": "16", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "8"})
    with pytest.raises(UserError, match="LOCAL_RANK, LOCAL_WORLD_SIZE is not"):
        Launch.read({"RANK": "1", "WORLD_SIZE": "16"})


def test_the_program_imports_torch_numpy_and_python_only():
    """It runs in an image that holds no CDK, and a deployer's machine holds no torch."""
    allowed = {*sys.stdlib_module_names, "torch", "numpy", "training"}
    for file in (ROOT / "training").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, file.name


def test_documentation_names_every_setting():
    """A setting that the guide does not mention does not exist for its readers."""
    guide = (ROOT / "docs" / "training" / "README.md").read_text()
    missing = [
        f"{part}.{name}"
        for part, values in asdict(GPT_1B).items()
        for name in values
        if f"`{name}`" not in guide
    ]
    assert not missing
