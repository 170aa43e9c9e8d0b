"""The engines of SageMaker's own model parallel library, whose image starts a script."""

import json
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from ultracluster.catalogue import training_engines as names
from ultracluster.catalogue.training_request import MODEL_PARALLEL, SHARDED
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, TextFormat, rule
from ultracluster.spec.engines import Engine, compact

if TYPE_CHECKING:
    from ultracluster.spec.recipe import RecipeSpec

LOG_LEVEL: Final = "20"
SOURCE: Final = "s3://<bucket>/<path>/sourcedir.tar.gz"


class ScriptSpec(Spec):
    """A script that SageMaker's container toolkit downloads and starts."""

    source: Annotated[str, TextFormat(r"s3://.*\.tar\.gz", f"write {SOURCE}")]
    """S3 URI of a sourcedir.tar.gz with the script."""

    program: str
    """The script's path inside the archive."""

    arguments: tuple[tuple[str, str], ...] = ()
    """The script's options as (name, value), passed as `--name value`."""


class ModelParallelEngine(Engine):
    """SageMaker's model parallel library; its image fetches and starts a script."""

    script: ScriptSpec
    """The training script."""

    @property
    def entrypoint(self) -> tuple[str, ...]:
        return ()

    @abstractmethod
    def parameters(self, recipe: "RecipeSpec") -> dict[str, Any]:
        """Return `mp_parameters`."""

    @abstractmethod
    def launcher(self, recipe: "RecipeSpec") -> dict[str, str]:
        """Return how the toolkit starts the processes."""

    def hyperparameters(self, recipe: "RecipeSpec", run: str) -> dict[str, str]:
        """Return the same hyperparameters as SDK 2.257.1; the toolkit reads every value as JSON."""
        del run
        return {
            **{name: compact(value) for name, value in self.script.arguments},
            "sagemaker_program": compact(self.script.program),
            "sagemaker_submit_directory": compact(self.script.source),
            "sagemaker_container_log_level": LOG_LEVEL,
            **self.launcher(recipe),
            MODEL_PARALLEL: json.dumps(self.parameters(recipe)),
            names.INSTANCE_TYPE: compact(f"ml.{recipe.instance_type}"),
            names.DATA_PARALLEL: "false",
        }


class SmpV2Engine(ModelParallelEngine):
    """Version 2 of the library: hybrid sharding over any degree (`hybrid_shard_degree`).

    Its newest image has PyTorch 2.5.1; its launcher sets NCCL_PROTO and RDMAV_FORK_SAFE.
    """

    kind: Literal["smp-v2"] = "smp-v2"
    """Which engine it is."""

    activation_offloading: bool = False
    """Whether activations are moved to the hosts' memory (`sm_activation_offloading`)."""

    activation_loading_horizon: Annotated[int, Field(ge=1)] = 2
    """Number of layers whose activations are loaded back ahead of the backward pass."""

    def parameters(self, recipe: "RecipeSpec") -> dict[str, Any]:
        found: dict[str, Any] = {names.HYBRID: recipe.partition_size // recipe.tensor_parallel}
        if recipe.tensor_parallel > 1:
            found["tensor_parallel_degree"] = recipe.tensor_parallel
        if self.activation_offloading:
            found["sm_activation_offloading"] = True
            found["activation_loading_horizon"] = self.activation_loading_horizon
        return found

    def launcher(self, recipe: "RecipeSpec") -> dict[str, str]:
        del recipe
        return {names.TORCH_DISTRIBUTED: "true"}


class SmpV1Engine(ModelParallelEngine):
    """Sharded data parallelism of version 1, the product that MiCS came in. Archived.

    Its last image has PyTorch 2.0; SageMaker's documentation says that it is no longer supported.
    """

    kind: Literal["smp-v1"] = "smp-v1"
    """Which engine it is."""

    acknowledge_archived: bool = False
    """Write True to confirm that you know it is archived; otherwise the recipe is refused."""

    hierarchical_allgather: bool = True
    """Whether weights are gathered in two steps (`sdp_hierarchical_allgather`)."""

    gradient_clipping: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient (`sdp_gradient_clipping`)."""

    def parameters(self, recipe: "RecipeSpec") -> dict[str, Any]:
        # The library's documented defaults are written out.
        return {
            "ddp": True,
            SHARDED: recipe.partition_size,
            "sdp_reduce_bucket_size": 500_000_000,
            "sdp_param_persistence_threshold": 1_000_000,
            "sdp_max_live_parameters": 1_000_000_000,
            "sdp_hierarchical_allgather": self.hierarchical_allgather,
            "sdp_gradient_clipping": self.gradient_clipping,
            "bf16": True,
        }

    def launcher(self, recipe: "RecipeSpec") -> dict[str, str]:
        return {
            names.MPI: "true",
            names.MPI_PROCESSES: str(recipe.cluster.gpus_per_node),
            "sagemaker_mpi_custom_mpi_options": compact("-verbose -x NCCL_DEBUG=VERSION"),
        }

    def job_problems(self, recipe: "RecipeSpec") -> Iterator[Problem]:
        if recipe.tensor_parallel != 1:
            fix = "sharded data parallelism has no tensor parallelism; write 1"
            yield Problem("tensor_parallel", recipe.tensor_parallel, fix)

    @rule
    def _archived_is_acknowledged(self) -> Iterator[Problem]:
        if not self.acknowledge_archived:
            fix = (
                "version 1 is archived and ends at PyTorch 2.0; use TorchrunEngine, or write "
                "acknowledge_archived=True"
            )
            yield Problem("acknowledge_archived", False, fix)
