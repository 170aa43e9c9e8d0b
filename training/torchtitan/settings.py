"""Everything that can be chosen about a run of torchtitan, as frozen and validated values.

The names are those of `training.settings` wherever both programs have the thing. It needs no
PyTorch: a mistake is found before nodes load it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from training.limits import Bounds, Checked, Count, Positive
from training.problems import Problem, UserError
from training.settings import AnyRunSettings, OptimizerSettings
from training.torchtitan.layout import Layout, model_faults


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """A model of torchtitan's own list."""

    family: str
    """Its folder in `torchtitan.models`, for example llama3."""
    flavor: str
    """Its name there, for example 8B."""
    sequence: Positive
    """Tokens in one sample."""


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Where the tokens are and how many make one step."""

    path: str
    """Folder that `python -m training.prepare` wrote."""
    global_batch: Positive
    """Sequences in one optimizer step, over all ranks."""
    micro_batch: Positive = 1
    """Sequences that one data-parallel rank works on at a time."""


@dataclass(frozen=True, kw_only=True)
class ParallelSettings:
    """How the model lies on the ranks, which torchtitan numbers pipeline stage by stage.

    Inside a stage they are (replica, shard, context, tensor), the last running fastest.
    """

    partition_size: Positive
    """Consecutive ranks that hold one copy of a stage's state, tensor and context parallelism
    included: MiCS's partition group."""
    tensor_parallel: Positive = 1
    """Ranks of one node that share every layer."""
    context_parallel: Positive = 1
    """Ranks that share every sequence."""
    pipeline_parallel: Positive = 1
    """Stages that the layers are cut into."""
    pipeline_schedule: Literal["1F1B", "Interleaved1F1B"] = "1F1B"
    """Order of the micro-batches in the stages."""
    expert_parallel: Positive = 1
    """Ranks of a partition group that share the experts of a layer."""
    gpus_per_node: Count = 0
    """GPUs of a node; 0: as launched."""

    @property
    def shard(self) -> int:
        """Ranks over which FSDP2 spreads a weight."""
        return self.partition_size // (self.tensor_parallel * self.context_parallel)


@dataclass(frozen=True, kw_only=True)
class NumericsSettings:
    """Precision and recomputation. Weights and optimizer state are fp32 in any case."""

    dtype: Literal["bf16", "fp32"] = "bf16"
    """Of activations and gathered weights."""
    float8: bool = False
    """Whether matrix products of the layers are in float8, on GPUs that have it (H100 and later).
    """
    compile: bool = True
    """Whether layers and loss are compiled."""
    recompute: Literal["none", "selective", "full"] = "selective"
    """What the backward pass computes again: nothing, all but matrix products, or every layer."""
    deterministic: bool = False
    """Whether only kernels run that repeat every bit."""


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """When the state is written, where, and how much of it is kept."""

    path: str
    """Folder on the shared file system."""
    every: Positive
    """Steps between checkpoints; one more is written at the end and when told to stop."""
    keep: Annotated[int, Bounds(2)] = 3
    """Newest checkpoints that are kept."""


@dataclass(frozen=True, kw_only=True)
class RunSettings(AnyRunSettings):
    """Length and record of the run."""

    path: str
    """Folder for metrics.jsonl and for what torchtitan dumps."""


@dataclass(frozen=True, kw_only=True)
class WeightsSettings:
    """Weights as Hugging Face writes them: safetensors and a config.json."""

    initial: str | None = None
    """Folder that a run without a checkpoint takes its weights from."""
    export: str | None = None
    """Folder that the last step's weights are written to."""
    export_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Of what is written."""


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """One complete run."""

    model: ModelSettings
    data: DataSettings
    parallel: ParallelSettings
    run: RunSettings
    checkpoint: CheckpointSettings
    numerics: NumericsSettings = field(default_factory=NumericsSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    weights: WeightsSettings = field(default_factory=WeightsSettings)

    def problems(self) -> Iterator[Problem]:
        found = [*super().problems()] or [*self.optimizer.problems(), *self.run.problems()]
        yield from found
        if not found:
            model = self.model
            faults = list(model_faults(model.family, model.flavor, model.sequence))
            yield from (Problem(*each) for each in faults or self.layout().faults())

    def layout(self, world: int = 0, node: int = 0) -> Layout:
        """Return how the run lies on ranks; 0 says that their number is not known."""
        parallel = self.parallel
        return Layout(
            family=self.model.family,
            flavor=self.model.flavor,
            sequence=self.model.sequence,
            partition=parallel.partition_size,
            tensor=parallel.tensor_parallel,
            context=parallel.context_parallel,
            pipeline=parallel.pipeline_parallel,
            schedule=parallel.pipeline_schedule,
            expert=parallel.expert_parallel,
            batch=self.data.global_batch,
            micro=self.data.micro_batch,
            world=world,
            node=parallel.gpus_per_node or node,
        )

    def placed(self, world: int, node: int) -> Layout:
        """Return the layout on the ranks that were started.

        Raises:
            UserError: If they cannot be laid out so.
        """
        layout = self.layout(world, node)
        if error := UserError.of(Problem(*fault) for fault in layout.faults()):
            raise error
        return layout
