"""Everything that can be chosen about a run of torchtitan, as frozen and validated values.

The names are those of `training.settings` wherever both programs have the thing. It needs no
PyTorch: a mistake is found before nodes load it.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

from training.overrides import overridden
from training.problems import Problem, UserError, choices, divisors
from training.settings import OptimizerSettings as OptimizerSettings  # noqa: PLC0414 - a part of these

MODELS: Final[Mapping[str, Mapping[str, Mapping[str, int]]]] = json.loads(
    Path(__file__).with_name("models.json").read_text(encoding="utf-8")
)
"""Models of torchtitan 0.3.0 by family and flavor, written by `python -m
training.torchtitan.models`: layers, heads, key-value heads, vocabulary, longest sequence, experts,
parameters, and those that work on one token."""
LEAST: Final[Mapping[str, int]] = {
    **dict.fromkeys(("data.global_batch", "data.micro_batch", "run.steps", "run.print_every"), 1),
    **dict.fromkeys(
        (
            *("parallel.partition_size", "parallel.tensor_parallel", "parallel.context_parallel"),
            *("parallel.pipeline_parallel", "parallel.expert_parallel", "checkpoint.every"),
        ),
        1,
    ),
    **dict.fromkeys(("optimizer.learning_rate", "optimizer.final_fraction"), 0),
    **dict.fromkeys(("optimizer.warmup_steps", "optimizer.weight_decay", "run.seed"), 0),
    **dict.fromkeys(("optimizer.epsilon", "optimizer.clip_norm", "parallel.gpus_per_node"), 0),
    "checkpoint.keep": 2,
}
"""The least that a number may be."""
INTERLEAVED: Final = "Interleaved1F1B"
"""The schedule whose ranks have several stages each (torchtitan gives them two)."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """A model of torchtitan's own list."""

    family: str
    """Its folder in `torchtitan.models`, for example llama3."""
    flavor: str
    """Its name there, for example 8B."""
    sequence: int
    """Tokens in one sample."""

    @property
    def facts(self) -> Mapping[str, int]:
        """What torchtitan says of the model."""
        return MODELS[self.family][self.flavor]

    def problems(self) -> Iterator[Problem]:
        if self.family not in MODELS:
            why, fix = "torchtitan has no such family here", f"write {' or '.join(MODELS)}"
            yield Problem("model.family", self.family, why, fix)
        elif self.flavor not in MODELS[self.family]:
            why = f"{self.family} has no such flavor"
            fix = f"write {', '.join(MODELS[self.family])}"
            yield Problem("model.flavor", self.flavor, why, fix)
        elif not 1 <= self.sequence <= self.facts["longest"]:
            why = f"positions of {self.flavor} end at {self.facts['longest']:,}"
            yield Problem("model.sequence", self.sequence, why, "write 1 up to that")


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Where the tokens are and how many make one step."""

    path: str
    """Folder that `python -m training.prepare` wrote."""
    global_batch: int
    """Sequences in one optimizer step, over all ranks."""
    micro_batch: int = 1
    """Sequences that one data-parallel rank works on at a time."""


@dataclass(frozen=True, kw_only=True)
class ParallelSettings:
    """How the model lies on the ranks, which torchtitan numbers pipeline stage by stage.

    Inside a stage they are (replica, shard, context, tensor), the last running fastest.
    """

    partition_size: int
    """Consecutive ranks that hold one copy of a stage's state, tensor and context parallelism
    included: MiCS's partition group."""
    tensor_parallel: int = 1
    """Ranks of one node that share every layer."""
    context_parallel: int = 1
    """Ranks that share every sequence."""
    pipeline_parallel: int = 1
    """Stages that the layers are cut into."""
    pipeline_schedule: Literal["1F1B", "Interleaved1F1B"] = "1F1B"
    """Order of the micro-batches in the stages."""
    expert_parallel: int = 1
    """Ranks of a partition group that share the experts of a layer."""
    gpus_per_node: int = 0
    """GPUs of a node; 0: as launched."""

    @property
    def shard(self) -> int:
        """Ranks over which FSDP2 spreads a weight."""
        return self.partition_size // (self.tensor_parallel * self.context_parallel)

    def problems(self) -> Iterator[Problem]:
        inner = self.tensor_parallel * self.context_parallel
        if self.partition_size % inner:
            why = (
                f"is no multiple of tensor_parallel x context_parallel = {inner}, which lie in a "
                "partition group"
            )
            lower = self.partition_size // inner * inner
            fix = choices(n for n in (lower, lower + inner) if n)
            yield Problem("parallel.partition_size", self.partition_size, why, fix)
        elif self.partition_size % self.expert_parallel:
            why = f"does not divide the partition group of {self.partition_size} ranks"
            fix = choices([n for n in divisors(self.partition_size) if n > 1][:4] or [1])
            yield Problem("parallel.expert_parallel", self.expert_parallel, why, fix)
        if self.pipeline_parallel == 1 and self.pipeline_schedule == INTERLEAVED:
            why, fix = "there is one stage", "write 1F1B, or parallel.pipeline_parallel above 1"
            yield Problem("parallel.pipeline_schedule", self.pipeline_schedule, why, fix)


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
    every: int
    """Steps between checkpoints; one more is written at the end and when told to stop."""
    keep: int = 3
    """Newest checkpoints that are kept."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Length and record of the run."""

    steps: int
    """Optimizer steps from the beginning of training, resumed ones included."""
    path: str
    """Folder for metrics.jsonl and for what torchtitan dumps."""
    seed: int = 0
    """Decides weights and order of data."""
    print_every: int = 10


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
class Settings:
    """One complete run."""

    model: ModelSettings
    data: DataSettings
    parallel: ParallelSettings
    run: RunSettings
    checkpoint: CheckpointSettings
    numerics: NumericsSettings = field(default_factory=NumericsSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    weights: WeightsSettings = field(default_factory=WeightsSettings)

    def __post_init__(self) -> None:
        """Refuse values that cannot be.

        Raises:
            UserError: With every problem there is.
        """
        found = list(self._bounds())
        if not found:
            for part in (self.model, self.parallel, self.optimizer):
                found.extend(part.problems())
        if error := UserError.of(found or self._together()):
            raise error

    def _bounds(self) -> Iterator[Problem]:
        for name, least in LEAST.items():
            part, _, leaf = name.partition(".")
            value = getattr(getattr(self, part), leaf)
            if not math.isfinite(value) or value < least:
                why = f"must be a number of at least {least}"
                yield Problem(name, value, why, f"write {least} or more")
        if not 0 <= self.optimizer.final_fraction <= 1:
            got = self.optimizer.final_fraction
            yield Problem("optimizer.final_fraction", got, "is a share", "write 0 to 1")
        if self.optimizer.warmup_steps > self.run.steps:
            got, why = self.optimizer.warmup_steps, f"the run ends at step {self.run.steps}"
            yield Problem("optimizer.warmup_steps", got, why, f"write {self.run.steps} or less")

    def _together(self) -> Iterator[Problem]:
        facts, parallel = self.model.facts, self.parallel
        for name in ("heads", "key_value_heads"):
            if facts[name] % parallel.tensor_parallel:
                why = f"does not divide the model's {facts[name]} {name.replace('_', ' ')}"
                fix = choices(divisors(facts[name]))
                yield Problem("parallel.tensor_parallel", parallel.tensor_parallel, why, fix)
                break
        # torchtitan cuts a sequence into two pieces a context rank, so that all have equal work.
        pieces = parallel.tensor_parallel * parallel.context_parallel
        pieces *= 2 if parallel.context_parallel > 1 else 1
        if self.model.sequence % pieces:
            why = f"is shared by tensor and context parallelism in {pieces} pieces"
            lower = self.model.sequence // pieces * pieces
            fix = choices(n for n in (lower, lower + pieces) if n)
            yield Problem("model.sequence", self.model.sequence, why, fix)
        experts = facts["experts"]
        if parallel.expert_parallel > 1 and (not experts or experts % parallel.expert_parallel):
            why = f"the model has {experts or 'no'} experts"
            fix = choices(divisors(experts)) if experts else "write 1"
            yield Problem("parallel.expert_parallel", parallel.expert_parallel, why, fix)
        stages = parallel.pipeline_parallel * (1 + (parallel.pipeline_schedule == INTERLEAVED))
        if stages > facts["layers"]:
            why = f"that are {stages} stages, and the model has {facts['layers']} layers"
            fix = f"write {facts['layers'] * parallel.pipeline_parallel // stages} or less"
            yield Problem("parallel.pipeline_parallel", parallel.pipeline_parallel, why, fix)

    def accumulation(self, world: int) -> int:
        """Return the micro-batches that a data rank works on in one step.

        Raises:
            UserError: If the ranks cannot be laid out, or the batch does not divide among them.
        """
        parallel = self.parallel
        model = parallel.partition_size * parallel.pipeline_parallel
        if world % model:
            raise UserError(
                f"{world} ranks are no multiple of parallel.partition_size x pipeline_parallel = "
                f"{model}; write others, or start {-(-world // model) * model} ranks"
            )
        data_ranks = world // (
            parallel.pipeline_parallel * parallel.tensor_parallel * parallel.context_parallel
        )
        at_once = data_ranks * self.data.micro_batch
        whole = self.data.global_batch
        if whole % at_once:
            lower = whole // at_once * at_once
            raise UserError(
                f"data.global_batch = {whole}: {data_ranks} data ranks take "
                f"{self.data.micro_batch} sequences at a time; "
                + choices(n for n in (lower, lower + at_once) if n)
            )
        count = whole // at_once
        if count < parallel.pipeline_parallel:
            raise UserError(
                f"data.global_batch = {whole}: {count} micro-batches do not fill "
                f"{parallel.pipeline_parallel} stages; write "
                f"{at_once * parallel.pipeline_parallel} or more"
            )
        return count

    def groups(self, gpus_per_node: int) -> None:
        """Refuse partition groups that do not follow nodes.

        Raises:
            UserError: If a group neither fills nodes nor divides one, or a layer crosses nodes.
        """
        size, node = self.parallel.partition_size, self.parallel.gpus_per_node or gpus_per_node
        if size % node and node % size:
            raise UserError(
                f"parallel.partition_size = {size}: a group fills nodes or divides one, and a "
                f"node has {node} ranks; write {choices([*divisors(node), 2 * node])[6:]}"
            )
        if node % self.parallel.tensor_parallel:
            raise UserError(
                f"parallel.tensor_parallel = {self.parallel.tensor_parallel}: a layer is shared "
                f"inside a node of {node} ranks; {choices(divisors(node))}"
            )

    def override(self, changes: Mapping[str, str]) -> Self:
        """Return a copy with `part.name` replaced by the value its text stands for."""
        return overridden(self, changes)  # type: ignore[type-var]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings for a record."""
        return asdict(self)
