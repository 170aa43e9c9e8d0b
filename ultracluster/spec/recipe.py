"""One training job as a value: the model, its layout on the GPUs, and its limits.

A recipe contains nothing of an account: role, network, file system and image repository are those
of the environment that it is submitted to.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from ultracluster.catalogue import instances
from ultracluster.catalogue.sharding import Cluster, memory_problems
from ultracluster.catalogue.training_engines import SETTINGS
from ultracluster.catalogue.training_rules import ending_problems
from ultracluster.catalogue.training_settings import OWN, TITAN, pushed_tag, warmup_problems
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, UndeterminedError, rule, valid_name
from ultracluster.spec.engines import DeepSpeedEngine, TorchrunEngine, TorchtitanEngine
from ultracluster.spec.environment import LONGEST_NAME, NAME
from ultracluster.spec.library_engines import SmpV1Engine, SmpV2Engine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec, TorchtitanModelSpec

CHANNEL: Final = "lustre"
MOUNT: Final = f"/opt/ml/input/data/{CHANNEL}"
"""Where SageMaker mounts a channel in the container."""
LOCAL_CHECKPOINTS: Final = "/opt/ml/checkpoints"
"""Folder that SageMaker copies to `CheckpointConfig.S3Uri` while a job runs, and back at a
restart."""
NVIDIA: Final = "NVIDIA"
LONGEST_VALUE: Final = 2500
"""Longest hyperparameter in characters (botocore 1.43.106, CreateTrainingJob)."""


def _pushed(known: Mapping[str, Any]) -> str:
    return pushed_tag(TITAN if isinstance(known.get("engine"), TorchtitanEngine) else OWN)


class RecipeSpec(Spec):
    """A training job, complete without its environment."""

    name: str
    """Lower-case letters, digits and hyphens; jobs and checkpoints are named after it."""

    model: ModelSpec | TorchtitanModelSpec
    """The model: `ModelSpec` for the training program of this project or your own program,
    `TorchtitanModelSpec` for torchtitan."""

    data: DataSpec
    """The training data and the batch size."""

    steps: Annotated[int, Field(ge=1)]
    """Optimizer steps since the beginning of training, including those before a resumption."""

    nodes: Annotated[int, Field(ge=1)]
    """Number of instances."""

    partition_size: Annotated[int, Field(ge=1)]
    """Number of consecutive GPUs that together hold one copy of the model state: 1 is data
    parallelism, all GPUs is ZeRO-3, everything between is MiCS."""

    engine: TorchrunEngine | TorchtitanEngine | DeepSpeedEngine | SmpV2Engine | SmpV1Engine
    """The program or library that trains the model."""

    checkpoint: CheckpointSpec
    """How often checkpoints are written."""

    limits: LimitsSpec
    """How long the job may run and wait."""

    instance_type: str = "p4d.24xlarge"
    """EC2 instance type; the same as the environment's nodes."""

    image: str = Field(default_factory=_pushed)
    """Tag in the environment's image repository, or the full URI of another image. The default is
    the tag that `python -m training.image.build sagemaker` pushes from this checkout, so that a job
    runs the same version of the program as the recipe."""

    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    """Number of GPUs of one node that share every layer; part of the partition group."""

    activation_checkpointing: Annotated[int, Field(ge=0)] = 1
    """Every n-th block is recomputed in the backward pass; 0 for none."""

    warm_pool_seconds: Annotated[int, Field(ge=0, le=21_600)] = 0
    """Seconds for which instances are kept, and billed, after the job, for a next one of the same
    kind (a warm pool). The quota of warm pools is 0 until it is raised."""

    retry_attempts: Annotated[int, Field(ge=1, le=30)] = 10
    """How often SageMaker restarts the job after an InternalServerError."""

    infra_check: bool = True
    """Whether SageMaker tests hardware and network of the instances before the start."""

    volume_gib: Annotated[int, Field(ge=1)] = 100
    """Storage volume of instances without local NVMe disks, in GiB; ignored for others."""

    tags: tuple[tuple[str, str], ...] = ()
    """Tags of the job as (key, value), in addition to those of the environment."""

    environment: tuple[tuple[str, str], ...] = ()
    """Environment variables of the container as (name, value)."""

    @property
    def instance(self) -> instances.InstanceType:
        try:
            return instances.find(self.instance_type)
        except instances.UnknownInstanceTypeError as error:
            raise UndeterminedError("instance_type") from error

    @property
    def cluster(self) -> Cluster:
        count = self.instance.accelerator.count
        if not count:
            raise UndeterminedError("instance_type")
        return Cluster(self.nodes, count)

    @property
    def ranks_of_a_sample(self) -> int:
        """Number of GPUs that process one sample together."""
        return self.tensor_parallel * self.engine.stages * self.engine.sequence_ranks

    @property
    def accumulation_steps(self) -> int:
        at_once = self.data.micro_batch * self.cluster.world // self.ranks_of_a_sample
        return self.data.global_batch // at_once

    def hyperparameters(self, run: str) -> dict[str, str]:
        """Return the job's hyperparameters by name.

        `run` names the folder of checkpoints: a job with the run of an earlier one resumes it.
        """
        return self.engine.hyperparameters(self, run)

    def checkpoint_path(self, run: str) -> str:
        return f"{MOUNT}/checkpoints/{run}"

    def settings(self, run: str) -> dict[str, str]:
        """Return the settings common to the training programs of this project and torchtitan."""
        values: dict[str, object] = {
            "model.sequence": self.model.sequence,
            "data.path": f"{MOUNT}/{self.data.directory}",
            "data.global_batch": self.data.global_batch,
            "data.micro_batch": self.data.micro_batch,
            "parallel.partition_size": self.partition_size,
            "parallel.tensor_parallel": self.tensor_parallel,
            "parallel.gpus_per_node": self.cluster.gpus_per_node,
            "checkpoint.path": self.checkpoint_path(run),
            "checkpoint.every": self.checkpoint.every_steps,
            "checkpoint.keep": self.checkpoint.keep,
            "run.steps": self.steps,
            # One rank writes this small file, and SageMaker copies it to S3 while the job runs.
            "run.path": f"{LOCAL_CHECKPOINTS}/metrics/{run}",
        }
        return {name: str(value) for name, value in values.items()}

    @rule
    def _name_is_valid(self) -> Iterator[Problem]:
        if not NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            clean = valid_name(self.name, instead="gpt", most=LONGEST_NAME)
            words = f"lower-case letters, digits and single hyphens, {LONGEST_NAME} at most"
            yield self.problem_of("name", f'names have {words}; write "{clean}"')

    @rule
    def _type_is_known(self) -> Iterator[Problem]:
        try:
            found = instances.find(self.instance_type)
        except instances.UnknownInstanceTypeError as error:
            yield self.problem_of("instance_type", str(error))
            return
        if found.sagemaker_training_type is None:
            fix = "SageMaker training does not offer it; write p4d.24xlarge"
            yield self.problem_of("instance_type", fix)
        elif found.accelerator.manufacturer != NVIDIA:
            fix = "it has no NVIDIA GPUs, which every engine needs; write p4d.24xlarge"
            yield self.problem_of("instance_type", fix)
        elif not found.accelerator.count:
            fix = "the number of its accelerators is not known; write another type"
            yield self.problem_of("instance_type", fix)

    @rule
    def _layout_fits_the_cluster(self) -> Iterator[Problem]:
        yield from self.engine.layout_problems(self)

    @rule
    def _state_fits_into_memory(self) -> Iterator[Problem]:
        memory, size = self.instance.accelerator.memory_mib, self.partition_size
        # With several pipeline stages: the memory of one stage.
        own = self.model.parameters // self.engine.stages
        yield from memory_problems("partition_size", size, parameters=own, memory_mib=memory)

    @rule
    def _engine_can_do_it(self) -> Iterator[Problem]:
        if self.cluster.world % self.tensor_parallel == 0:
            yield from self.engine.job_problems(self)

    @rule
    def _engine_trains_the_model(self) -> Iterator[Problem]:
        named = isinstance(self.model, TorchtitanModelSpec)
        if isinstance(self.engine, TorchtitanEngine) and not named:
            fix = "torchtitan only trains models that it defines; write TorchtitanModelSpec"
            yield Problem("model", type(self.model).__name__, fix)
        elif isinstance(self.engine, TorchrunEngine) and named:
            fix = "only torchtitan takes a model by name; write ModelSpec, or TorchtitanEngine"
            yield Problem("model", type(self.model).__name__, fix)

    @rule
    def _settings_can_be(self) -> Iterator[Problem]:
        text = self.hyperparameters("x" * LONGEST_NAME).get(SETTINGS, "")
        if len(text) > LONGEST_VALUE:
            fix = f"a hyperparameter has {LONGEST_VALUE:,} characters; write them into the program"
            yield Problem("engine.settings", f"{len(text):,} characters with all others", fix)
        yield from warmup_problems("engine.settings", json.loads(text or "{}"))

    @rule
    def _variables_end_no_job(self) -> Iterator[Problem]:
        given = dict(self.environment)
        yield from ending_problems("environment", given, self.instance_type, self.nodes)

    @rule
    def _names_are_given_once(self) -> Iterator[Problem]:
        for field, pairs in (("tags", self.tags), ("environment", self.environment)):
            seen: set[str] = set()
            for index, (key, value) in enumerate(pairs):
                if key in seen:
                    fix = "the name is used twice; remove one"
                    yield Problem(f"{field}[{index}]", (key, value), fix)
                seen.add(key)
