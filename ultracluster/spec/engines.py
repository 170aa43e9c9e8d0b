"""The engines that can train a model on SageMaker, and the hyperparameters of each.

Names and values of SageMaker's libraries are those of its Python SDK 2.257.1 (training facts, c.1,
read 2026-11-23). `catalogue.training_engines` checks the values.
"""

import json
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from ultracluster.catalogue import sharding
from ultracluster.catalogue import training_engines as names
from ultracluster.catalogue.torchtitan import Layout, model_faults
from ultracluster.catalogue.training_settings import OWN, TITAN, recipe_problems, setting_problems
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, UndeterminedError, rule
from ultracluster.spec.model import ModelSpec, TorchtitanModelSpec

if TYPE_CHECKING:
    from ultracluster.spec.recipe import RecipeSpec

ENTRYPOINT: Final = ("python", "-m", "training.launch", "sagemaker")
"""The launcher of this project. SageMaker's own launchers set NCCL_PROTO, RDMAV_FORK_SAFE and other
variables (training facts, c.2); a custom entry point avoids that."""

WITH_FLOAT8: Final = ("H100", "H200", "B200", "B300", "GB200", "GB300")
"""GPUs whose tensor cores multiply in float8 (compute capability 8.9 and later; NVIDIA's CUDA C++
Programming Guide, compute capabilities, 2026-11)."""


def compact(value: object) -> str:
    """Return JSON without blanks, because a hyperparameter has at most 2,500 characters."""
    return json.dumps(value, separators=(",", ":"))


class Engine(Spec):
    """A program or library that trains a model, and how it distributes it over a job's GPUs."""

    @property
    def stages(self) -> int:
        """Number of pipeline stages."""
        return 1

    @property
    def sequence_ranks(self) -> int:
        """Number of GPUs that share one sequence (context parallelism)."""
        return 1

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """The command that the container runs; empty where the image's own entry point is used."""
        return ENTRYPOINT

    @abstractmethod
    def hyperparameters(self, recipe: "RecipeSpec", run: str) -> dict[str, str]:
        """Return the job's hyperparameters by name; `run` names the folder of its checkpoints."""

    def layout_problems(self, recipe: "RecipeSpec") -> Iterator[Problem]:
        """Yield why the model cannot be divided over the GPUs of the job."""
        size, ways, cluster = recipe.partition_size, recipe.tensor_parallel, recipe.cluster
        yield from sharding.partition_problems("partition_size", size, cluster)
        yield from sharding.tensor_problems("tensor_parallel", ways, cluster, partition=size)
        for name, value in (("heads", recipe.model.heads), ("sequence", recipe.model.sequence)):
            if value % ways:
                fix = f"it does not divide model.{name}, {value}; write one that does"
                yield Problem("tensor_parallel", ways, fix)
        whole, micro = recipe.data.global_batch, recipe.data.micro_batch
        yield from sharding.batch_problems("data.global_batch", whole, micro, ways, cluster)

    def job_problems(self, recipe: "RecipeSpec") -> Iterator[Problem]:
        """Yield why this engine cannot run that job, beyond the rules for all engines."""
        del recipe
        yield from ()


class ProgramEngine(Engine):
    """An engine whose program has its own recipes, and settings that override them."""

    program: ClassVar[str]
    """The program's name in the catalogue."""

    base: str
    """The program's own recipe, for settings not given here, such as learning rates."""

    settings: tuple[tuple[str, str], ...] = ()
    """Further settings as (part.name, value), for example ("optimizer.learning_rate", "2e-4")."""

    @abstractmethod
    def stated(self, recipe: "RecipeSpec") -> dict[str, str]:
        """Return the program's settings of this engine and its model, by name."""

    def hyperparameters(self, recipe: "RecipeSpec", run: str) -> dict[str, str]:
        settings = recipe.settings(run) | self.stated(recipe) | dict(self.settings)
        named = {names.ENGINE: self.program, names.RECIPE: self.base}
        return {**named, names.SETTINGS: compact(settings)}

    @rule
    def _base_is_the_programs(self) -> Iterator[Problem]:
        yield from recipe_problems("base", self.base, self.program)

    @rule
    def _settings_are_the_programs(self) -> Iterator[Problem]:
        yield from setting_problems("settings", dict(self.settings), self.program)


class OwnEngine(Engine):
    """An engine that is started by the launcher of this project."""

    hierarchical_gather: bool = False
    """Whether weights are gathered in two steps: between nodes first, then inside each node."""

    def job_problems(self, recipe: "RecipeSpec") -> Iterator[Problem]:
        if self.hierarchical_gather:
            field = "engine.hierarchical_gather"
            yield from sharding.hierarchical_problems(field, recipe.partition_size, recipe.cluster)


class TorchrunEngine(ProgramEngine, OwnEngine):
    """The training program of this project, started by torchrun: MiCS on PyTorch's FSDP2."""

    program = OWN

    kind: Literal["torchrun"] = "torchrun"
    """Which engine it is."""

    base: str = "gpt-1b"
    """Recipe of the training program whose other settings hold, such as learning rates."""

    def stated(self, recipe: "RecipeSpec") -> dict[str, str]:
        if not isinstance(recipe.model, ModelSpec):
            raise UndeterminedError("model")
        shape = ("layers", "width", "heads", "vocabulary")
        return {
            **{f"model.{name}": str(getattr(recipe.model, name)) for name in shape},
            "numerics.checkpoint_every": str(recipe.activation_checkpointing),
            "parallel.hierarchical_gather": str(self.hierarchical_gather).lower(),
        }


class TorchtitanEngine(ProgramEngine):
    """torchtitan 0.3.0, started by the launcher of this project: its hybrid sharding is MiCS.

    The partition size of the recipe is what torchtitan calls data_parallel_shard_degree, times
    tensor and context parallelism; replicas are all that remains.
    """

    program = TITAN

    kind: Literal["torchtitan"] = "torchtitan"
    """Which engine it is."""

    base: str = "llama3-8b"
    """Recipe of training/torchtitan/recipes.py, for settings not given here, such as learning
    rates.
    """

    pipeline_parallel: Annotated[int, Field(ge=1)] = 1
    """Number of pipeline stages, each on different GPUs."""

    pipeline_schedule: Literal["1F1B", "Interleaved1F1B"] = "1F1B"
    """Order of the micro-batches in the stages; interleaved gives a GPU two of them."""

    context_parallel: Annotated[int, Field(ge=1)] = 1
    """GPUs that share every sequence; part of the partition group."""

    expert_parallel: Annotated[int, Field(ge=1)] = 1
    """GPUs of a partition group that share the experts of a layer."""

    recompute: Literal["none", "selective", "full"] = "selective"
    """What the backward pass computes again: nothing, all but matrix products, or every layer."""

    float8: bool = False
    """Whether the layers' matrix products are in float8, on GPUs that have it."""

    @property
    def stages(self) -> int:
        return self.pipeline_parallel

    @property
    def sequence_ranks(self) -> int:
        return self.context_parallel

    def stated(self, recipe: "RecipeSpec") -> dict[str, str]:
        if not isinstance(recipe.model, TorchtitanModelSpec):
            raise UndeterminedError("model")
        return {
            "model.family": recipe.model.family,
            "model.flavor": recipe.model.flavor,
            "parallel.pipeline_parallel": str(self.pipeline_parallel),
            "parallel.pipeline_schedule": self.pipeline_schedule,
            "parallel.context_parallel": str(self.context_parallel),
            "parallel.expert_parallel": str(self.expert_parallel),
            "numerics.recompute": self.recompute,
            "numerics.float8": str(self.float8).lower(),
        }

    def job_problems(self, recipe: "RecipeSpec") -> Iterator[Problem]:
        if recipe.activation_checkpointing != 1:
            fix = "torchtitan does not take it; write engine.recompute, and leave this out"
            yield Problem("activation_checkpointing", recipe.activation_checkpointing, fix)
        if self.float8 and not recipe.instance.accelerator.name.startswith(WITH_FLOAT8):
            fix = f"{recipe.instance.accelerator.name} GPUs have no float8; write False"
            yield Problem("engine.float8", True, fix)

    def layout_problems(self, recipe: "RecipeSpec") -> Iterator[Problem]:
        if not isinstance(recipe.model, TorchtitanModelSpec):
            return
        model = {name: getattr(recipe.model, name) for name in ("family", "flavor", "sequence")}
        if any(model_faults(**model)):
            return  # which the model says itself
        layout = Layout(
            **model,
            partition=recipe.partition_size,
            tensor=recipe.tensor_parallel,
            context=self.context_parallel,
            pipeline=self.pipeline_parallel,
            schedule=self.pipeline_schedule,
            expert=self.expert_parallel,
            batch=recipe.data.global_batch,
            micro=recipe.data.micro_batch,
            world=recipe.cluster.world,
            node=recipe.cluster.gpus_per_node,
        )
        for fault in layout.faults():
            name = fault.field.removeprefix("parallel.")
            field = f"engine.{name}" if name in type(self).model_fields else name
            yield Problem(field, fault.got, f"{fault.why}; {fault.fix}")


class DeepSpeedEngine(OwnEngine):
    """Your own program with DeepSpeed's MiCS, started by the launcher of this project."""

    kind: Literal["deepspeed"] = "deepspeed"
    """Which engine it is."""

    program: str
    """Path of the program in the image; it reads the hyperparameter `deepspeed_config`."""

    arguments: tuple[str, ...] = ()
    """Command line arguments of the program."""

    gradient_clipping: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient."""

    def configuration(self, recipe: "RecipeSpec") -> dict[str, Any]:
        return {
            "train_batch_size": recipe.data.global_batch,
            "train_micro_batch_size_per_gpu": recipe.data.micro_batch,
            "gradient_accumulation_steps": recipe.accumulation_steps,
            "gradient_clipping": self.gradient_clipping,
            "bf16": {"enabled": True},
            "zero_optimization": {
                "stage": 3,
                "mics_shard_size": recipe.partition_size,
                "mics_hierarchical_params_gather": self.hierarchical_gather,
            },
        }

    def hyperparameters(self, recipe: "RecipeSpec", run: str) -> dict[str, str]:
        del run
        return {
            names.ENGINE: self.kind,
            names.PROGRAM: self.program,
            names.ARGUMENTS: compact(list(self.arguments)),
            names.DEEPSPEED_CONFIG: compact(self.configuration(recipe)),
        }

    def job_problems(self, recipe: "RecipeSpec") -> Iterator[Problem]:
        if recipe.tensor_parallel != 1:
            fix = "DeepSpeed's MiCS has no tensor parallelism; write 1, or use TorchrunEngine"
            yield Problem("tensor_parallel", recipe.tensor_parallel, fix)
        yield from super().job_problems(recipe)
