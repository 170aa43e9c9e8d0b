"""What each engine is told, exactly, and what it refuses."""

import json
from typing import Any

import pytest

from facts import job_environment
from tests.repository import RECIPES
from tests.train.requests import changed, recipe, request
from training.mesh import Launch, Layout
from training.recipes import find
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import advice
from ultracluster.catalogue.training_settings import known_settings
from ultracluster.problem import SpecError
from ultracluster.spec.engines import DeepSpeedEngine, TorchrunEngine
from ultracluster.spec.library_engines import ScriptSpec, SmpV1Engine, SmpV2Engine
from ultracluster.train.recipe_files import request_problems

SMP = "658645717510.dkr.ecr.us-east-1.amazonaws.com/smdistributed-modelparallel"
DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training"
SCRIPT = ScriptSpec(
    source="s3://training-data/code/sourcedir.tar.gz",
    program="train.py",
    arguments=(("epochs", "1"),),
)
V2 = SmpV2Engine(script=SCRIPT)
V1 = SmpV1Engine(script=SCRIPT, acknowledge_archived=True)
V2_IMAGE = f"{SMP}:2.5.1-gpu-py311-cu124"
V1_IMAGE = f"{DLC}:2.0.1-gpu-py310-cu118-ubuntu20.04-sagemaker"


def told(**changes: Any) -> dict[str, str]:
    """Return the hyperparameters of a recipe."""
    return recipe(**changes).hyperparameters("gpt")


def test_our_own_program_is_told_what_it_understands():
    """The training program's own settings take every value, and say the same layout."""
    found = told(tensor_parallel=2)

    assert found["engine"] == "training"
    chosen = find(found["recipe"]).override(json.loads(found["settings"]))
    launch = Launch(rank=0, world=128, local_rank=0, local_world=8)
    layout = Layout.of(chosen.parallel, launch)
    assert (layout.partition, layout.tensor, layout.replicas) == (16, 2, 8)
    assert layout.accumulation(chosen.data.global_batch, chosen.data.micro_batch) == 4
    assert found["settings"] == compact(
        {
            **OF_EVERY_PROGRAM,
            "parallel.tensor_parallel": "2",
            "model.layers": "40",
            "model.width": "5120",
            "model.heads": "40",
            "model.vocabulary": "50304",
            "numerics.checkpoint_every": "1",
            "parallel.hierarchical_gather": "true",
        }
    )


OF_EVERY_PROGRAM = {
    "model.sequence": "2048",
    "data.path": "/opt/ml/input/data/lustre/data/tokens",
    "data.global_batch": "1024",
    "data.micro_batch": "4",
    "parallel.partition_size": "16",
    "parallel.tensor_parallel": "1",
    "parallel.gpus_per_node": "8",
    "checkpoint.path": "/opt/ml/input/data/lustre/checkpoints/gpt",
    "checkpoint.every": "10",
    "checkpoint.keep": "3",
    "run.steps": "100",
    "run.path": "/opt/ml/checkpoints/metrics/gpt",
}
"""What a recipe says, whichever program trains it."""


def compact(value: object) -> str:
    """Return JSON as a hyperparameter has it: without blanks."""
    return json.dumps(value, separators=(",", ":"))


def test_torchtitan_is_told_its_layout():
    shipped = {each.name: each for each in RECIPES}["kimi-1t"]
    found = shipped.hyperparameters("gpt")

    assert (found["engine"], found["recipe"], len(found)) == ("torchtitan", "kimi-1t", 3)
    settings = json.loads(found["settings"])
    assert settings.keys() > OF_EVERY_PROGRAM.keys()
    assert {name: settings[name] for name in settings.keys() - OF_EVERY_PROGRAM.keys()} == {
        "model.family": "kimi_k2_7",
        "model.flavor": "Kimi-K2.5",
        "parallel.pipeline_parallel": "16",
        "parallel.pipeline_schedule": "1F1B",
        "parallel.context_parallel": "1",
        "parallel.expert_parallel": "8",
        "numerics.recompute": "full",
        "numerics.float8": "false",
    }


def test_the_catalogue_knows_the_programs_settings():
    """A misspelt setting is found before capacity is waited for."""
    assert set(known_settings()) == set(job_environment.settings()["settings"])
    assert known_settings()["numerics.dtype"] == ["bf16", "fp32", "fp64"]
    assert known_settings()["model.layers"] == "whole number"
    kinds = ("whole number", "number")
    bounded = {name for name, kind in known_settings().items() if kind in kinds}
    assert bounded == set(job_environment.settings()["least"])


def test_a_recipe_that_the_program_does_not_have_is_refused():
    """It would end the job after hours of waiting for capacity."""
    with pytest.raises(SpecError, match=r"no such recipe.*write gpt-30b-p4d"):
        TorchrunEngine(base="gpt-30b-p4")
    TorchrunEngine(base="recipes/mine.py")


def test_a_setting_of_the_user_comes_last():
    """What stands in the recipe's own settings is meant."""
    engine = TorchrunEngine(settings=(("run.steps", "7"),))

    assert json.loads(told(engine=engine)["settings"])["run.steps"] == "7"


def test_our_own_entry_point_passes_sagemakers_launchers_by():
    """They would force NCCL_PROTO and RDMAV_FORK_SAFE on the job."""
    entry = request()["AlgorithmSpecification"]["ContainerEntrypoint"]

    assert entry == ["python", "-m", "training.launch", "sagemaker"]
    smp = request(engine=V2, image=V2_IMAGE)
    assert "ContainerEntrypoint" not in smp["AlgorithmSpecification"]


def test_deepspeed_is_told_its_configuration():
    """`mics_shard_size` is the partition size, and the batch adds up."""
    found = told(engine=DeepSpeedEngine(program="train_ds.py", arguments=("--fast",)))

    assert (found["engine"], found["program"]) == ("deepspeed", "train_ds.py")
    assert json.loads(found["arguments"]) == ["--fast"]
    config = json.loads(found["deepspeed_config"])
    assert config == {
        "train_batch_size": 1024,
        "train_micro_batch_size_per_gpu": 4,
        "gradient_accumulation_steps": 2,
        "gradient_clipping": 1.0,
        "bf16": {"enabled": True},
        "zero_optimization": {
            "stage": 3,
            "mics_shard_size": 16,
            "mics_hierarchical_params_gather": False,
        },
    }
    assert compact(config) == found["deepspeed_config"]


def test_version_2_is_told_what_the_sdk_writes():
    """SDK 2.257.1 writes exactly this for `hybrid_shard_degree`."""
    found = told(engine=V2, image=V2_IMAGE, partition_size=128)

    assert found == {
        **OF_THE_LIBRARY,
        "mp_parameters": '{"hybrid_shard_degree": 128}',
        "sagemaker_torch_distributed_enabled": "true",
    }
    offloading = SmpV2Engine(script=SCRIPT, activation_offloading=True)
    divided = told(engine=offloading, image=V2_IMAGE, tensor_parallel=2)
    assert json.loads(divided["mp_parameters"]) == {
        "hybrid_shard_degree": 8,
        "tensor_parallel_degree": 2,
        "sm_activation_offloading": True,
        "activation_loading_horizon": 2,
    }


OF_THE_LIBRARY = {
    "epochs": '"1"',
    "sagemaker_program": '"train.py"',
    "sagemaker_submit_directory": '"s3://training-data/code/sourcedir.tar.gz"',
    "sagemaker_container_log_level": "20",
    "sagemaker_instance_type": '"ml.p4d.24xlarge"',
    "sagemaker_distributed_dataparallel_enabled": "false",
}
"""What both versions of SageMaker's library are told."""


def test_version_1_is_told_what_the_sdk_writes():
    """What SDK 2.257.1 writes for sharded data parallelism, the library's defaults written out."""
    found = told(engine=V1, image=V1_IMAGE)

    assert json.loads(found.pop("mp_parameters")) == {
        "ddp": True,
        "sharded_data_parallel_degree": 16,
        "sdp_reduce_bucket_size": 500_000_000,
        "sdp_param_persistence_threshold": 1_000_000,
        "sdp_max_live_parameters": 1_000_000_000,
        "sdp_hierarchical_allgather": True,
        "sdp_gradient_clipping": 1.0,
        "bf16": True,
    }
    assert found == {
        **OF_THE_LIBRARY,
        "sagemaker_mpi_enabled": "true",
        "sagemaker_mpi_num_of_processes_per_host": "8",
        "sagemaker_mpi_custom_mpi_options": '"-verbose -x NCCL_DEBUG=VERSION"',
    }


@pytest.mark.parametrize(
    ("engine", "image"),
    [
        (TorchrunEngine(hierarchical_gather=True), "v1"),
        (DeepSpeedEngine(program="train.py", hierarchical_gather=True), "v1"),
        (V2, V2_IMAGE),
        (V1, V1_IMAGE),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_every_engine_makes_a_request_that_is_sound(engine: Any, image: str):
    """What we write passes what we check."""
    assert request_problems(request(engine=engine, image=image)) == []


def test_the_archived_engine_must_be_asked_for_by_name():
    """Nobody starts on what is no longer supported without knowing it."""
    with pytest.raises(SpecError, match="version 1 is archived"):
        SmpV1Engine(script=SCRIPT)


def test_the_archived_engine_is_warned_of():
    """Each submission says it again."""
    (warning,) = advice(parsed(request(engine=V1, image=V1_IMAGE)))

    assert "archived" in str(warning)
    assert list(advice(parsed(request()))) == []


def parameters(**values: object) -> str:
    return json.dumps(values)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("mp_parameters", parameters(hybrid_shard_degree=48), "does not divide the 128 GPUs"),
        ("mp_parameters", parameters(hybrid_shard_degre=16), "write hybrid_shard_degree"),
        ("mp_parameters", parameters(hybrid_shard_degree="many"), "a whole number"),
        (
            "mp_parameters",
            parameters(hybrid_shard_degree=16, tensor_parallel_degree=3),
            "does not divide the 8 GPUs of one",
        ),
        (
            "mp_parameters",
            parameters(hybrid_shard_degree=128, tensor_parallel_degree=2),
            "with 2 GPUs to a layer",
        ),
        ("mp_parameters", "hybrid_shard_degree=128", "not valid JSON"),
        ("sagemaker_torch_distributed_enabled", "false", "write true"),
        ("sagemaker_mpi_enabled", "true", "starts the processes already"),
        ("sagemaker_instance_type", "ml.p4d.24xlarge", "with quotes"),
        ("sagemaker_instance_type", '"ml.p5.48xlarge"', 'write "ml.p4d.24xlarge"'),
    ],
)
def test_faults_in_version_2_are_found(path: str, value: str, words: str):
    """The library would find them on 128 billed GPUs."""
    wrong = changed(request(engine=V2, image=V2_IMAGE), f"HyperParameters.{path}", value)

    found = [str(problem) for problem in request_problems(wrong)]
    assert any(words in line for line in found), found


V1_SOUND = {"ddp": True, "sharded_data_parallel_degree": 16, "bf16": True}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sharded_data_parallel_degree": 48}, "does not divide"),
        ({"tensor_parallel_degree": 2}, "excludes other parallelism"),
        ({"ddp": False}, "write true"),
        ({"fp16": True}, "one type"),
        ({"hybrid_shard_degree": 16}, "version 2"),
    ],
)
def test_faults_in_version_1_are_found(changes: dict[str, object], words: str):
    """Sharded data parallelism stands alone."""
    text = json.dumps({**V1_SOUND, **changes})
    wrong = changed(request(engine=V1, image=V1_IMAGE), "HyperParameters.mp_parameters", text)

    found = [str(problem) for problem in request_problems(wrong)]
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    ("engine", "image", "words"),
    [
        (V2, f"{SMP}:2.6.0-gpu-py312-cu126", "ends at PyTorch 2.5.1"),
        (V2, f"{DLC}:2.5.1-gpu-py311-cu124", "not in that image"),
        (V2, f"{SMP}:2.5.1-gpu-py311-cu124".replace("us-east-1", "af-south-1"), "not in af-south"),
        (V1, f"{DLC}:2.1.0-gpu-py310-cu121", "ends at PyTorch 2.0.1"),
    ],
)
def test_an_image_that_the_library_does_not_have_is_found(engine: Any, image: str, words: str):
    """The libraries ended at a PyTorch each, and images are in 17 Regions."""
    wrong = request(engine=engine, image=image)
    found = [str(problem) for problem in request_problems(wrong)]

    assert any(words in line for line in found), found


ZERO = {"stage": 3, "mics_shard_size": 16, "mics_hierarchical_params_gather": True}


@pytest.mark.parametrize(
    ("zero", "words"),
    [
        ({"mics_shard_size": 48}, "does not divide the 128 GPUs"),
        ({"mics_shard_size": 12}, "does not divide the 128 GPUs"),
        ({"stage": 2}, "write 3"),
        ({"mics_shard_size": 8}, "nothing to gather between nodes"),
        ({"offload_optimizer": {"device": "cpu"}}, "does not support offloading"),
        ({"mics_shard_size": "p"}, "a whole number"),
    ],
)
def test_faults_in_a_deepspeed_configuration_are_found(zero: dict[str, object], words: str):
    """DeepSpeed asserts them when 128 GPUs are already running."""
    sound = request(engine=DeepSpeedEngine(program="train.py"))
    config = json.dumps({"zero_optimization": {**ZERO, **zero}})

    found = request_problems(changed(sound, "HyperParameters.deepspeed_config", config))
    assert any(words in str(problem) for problem in found), found


def test_a_batch_that_does_not_add_up_is_found():
    """DeepSpeed checks batch = micro-batch x steps x GPUs."""
    sound = request(engine=DeepSpeedEngine(program="train.py"))
    config = json.loads(sound["HyperParameters"]["deepspeed_config"])
    text = json.dumps({**config, "train_batch_size": 1000})

    (problem,) = request_problems(changed(sound, "HyperParameters.deepspeed_config", text))
    assert "write 1024" in str(problem)
