"""Everything that can be chosen about a run, as frozen and validated values.

A recipe is a Python file that defines `RECIPE = Settings(...)`, or a name from
`training.recipes`. Single values are replaced on the command line:

    torchrun --nproc-per-node 8 -m training.train gpt-1b --set parallel.partition_size=8
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from training.limits import (
    LEAST_SHARE,
    OTHER_TYPE,
    Amount,
    Bounds,
    Checked,
    Count,
    Positive,
    Seed,
    Share,
)
from training.problems import Problem, choices, divisors

LEAST_KEPT: Final = 2
"""Checkpoints: one to use and one to fall back to."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """A decoder-only transformer: pre-norm, no biases, GELU of four times the width.

    Its parameters number `12 * layers * width**2 + vocabulary * width`, plus norms.
    """

    layers: Positive
    width: Positive
    heads: Positive
    vocabulary: Positive
    """Rows of the embedding, which is also the output layer. Pad it to a multiple of 64."""
    sequence: Positive
    """Tokens in one sample."""
    positions: Literal["learned", "rotary"] = "learned"
    """Learned positions cost nothing per layer; rotary ones move 4 bytes per value of q and k."""

    def problems(self) -> Iterator[Problem]:
        if self.width < 1 or self.heads < 1:
            return
        if self.width % self.heads:
            near = [n for n in divisors(self.width) if n <= 2 * self.heads]
            why = f"does not divide model.width = {self.width}"
            yield Problem("model.heads", self.heads, why, choices(near[-3:]))
        elif self.positions == "rotary" and (self.width // self.heads) % 2:
            why = f"rotates pairs, and a head has {self.width // self.heads} values"
            fix = "write learned, or another model.heads"
            yield Problem("model.positions", self.positions, why, fix)


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Where the tokens are and how many make one step."""

    path: str
    """Folder that `python -m training.prepare` wrote, or several with commas between them."""
    weights: tuple[float, ...] = ()
    """Share of the sequences that comes from each folder of path, in any unit; none takes every
    sequence of all folders once before any comes again."""
    verify: bool = True
    """Read every shard against its SHA-256 and its range of ids at the start, ranks sharing the
    work; false compares heads and sizes only."""
    global_batch: Positive
    """Sequences in one optimizer step, over all ranks."""
    micro_batch: Positive
    """Sequences that one data-parallel rank works on at a time."""
    validation_path: str | None = None
    """Folder of held-out tokens, written the same way."""
    validation_every: Count = 0
    """Steps between evaluations; 0 for none."""
    validation_sequences: Positive = 64
    """Sequences in one evaluation, over all ranks: always the same ones."""

    def problems(self) -> Iterator[Problem]:
        count, total = self.path.count(",") + 1, sum(self.weights)
        shares = min(self.weights, default=0) >= LEAST_SHARE * total > 0 and math.isfinite(total)
        if self.weights and len(self.weights) != count:
            why = f"are for {len(self.weights)} folders and data.path names {count}"
            yield Problem("data.weights", self.weights, why, "write one for each")
        elif self.weights and not shares:
            why = "are shares of sequences, of which none is below 1 in 65,536"
            fix = "write positive numbers, as in 0.7,0.3, and leave out a folder that is not wanted"
            yield Problem("data.weights", self.weights, why, fix)
        if self.validation_every and not self.validation_path:
            why, fix = (
                "there are no held-out tokens to evaluate on",
                "write data.validation_path, or 0",
            )
            yield Problem("data.validation_every", self.validation_every, why, fix)


@dataclass(frozen=True, kw_only=True)
class ParallelSettings:
    """How the model state lies on the GPUs (MiCS, arXiv 2205.00119)."""

    partition_size: Positive = 1
    """Consecutive GPUs that hold one copy of the model state: 1 is data parallelism, the number
    of all GPUs is ZeRO-3, and everything between is MiCS."""
    tensor_parallel: Positive = 1
    """GPUs of one node that share every layer; part of the partition group."""
    gpus_per_node: Count = 0
    """0 takes the number of ranks that the launcher started on this node."""
    hierarchical_gather: bool = False
    """Gather between nodes first and inside the node second. For groups of several nodes it
    sends (p-k)/p of the weights over a node's link instead of (p-1)/p."""
    reshard_after_forward: bool = True
    """False keeps gathered weights until the backward pass: one gather less for 2 bytes (bf16)
    per parameter of memory."""


@dataclass(frozen=True, kw_only=True)
class NumericsSettings:
    """Precision, memory and speed of the arithmetic."""

    dtype: Literal["bf16", "fp32", "fp64"] = "bf16"
    """Weights, activations and gradients. With bf16 the optimizer keeps fp32 master weights."""
    reduce_dtype: Literal["fp32", "bf16"] = "fp32"
    """Gradients on the network and while they accumulate, where dtype is bf16."""
    compile: bool = True
    """Compile each block, the loss, and nothing else."""
    checkpoint_every: Count = 0
    """Recompute every n-th block in the backward pass: 0 none, 1 all, 2 every other."""
    attention: Literal["cudnn", "flash", "auto"] = "cudnn"
    """Preferred kernel; where it does not serve, PyTorch takes the next one."""
    loss_chunks: Positive = 8
    """Parts in which logits are made, so that they never exist all at once."""
    deterministic: bool = False
    """Have GPU kernels that add in a fixed order, so that a resumed run repeats every bit."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """AdamW with warm-up, cosine decay and clipping.

    A rate above 1 takes AdamW's steps past every weight, the rate falls to a share of itself, and a
    decay of rate x weight_decay is a share of each weight.
    """

    learning_rate: Share = 3e-4
    final_fraction: Share = 0.1
    """Rate at the last step, as a share of learning_rate."""
    warmup_steps: Count = 100
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: Share = 1e-8
    weight_decay: Share = 0.1
    """On matrices only, not on norms."""
    clip_norm: Amount = 1.0
    """Largest norm of the gradient; 0 never clips."""

    def problems(self) -> Iterator[Problem]:
        if not self.learning_rate:
            why, fix = "changes no weight", "write more than 0, as in 3e-4"
            yield Problem("optimizer.learning_rate", self.learning_rate, why, fix)
        if not self.epsilon:
            why = "makes NaN of a weight whose gradients are all zero"
            yield Problem("optimizer.epsilon", self.epsilon, why, "write more, as in 1e-8")
        if len(self.betas) != 2:  # noqa: PLR2004 - of the mean and of the square
            yield Problem(
                "optimizer.betas", self.betas, "are two decay factors", "write two, as in 0.9,0.95"
            )
        for index, beta in enumerate(self.betas):
            if not 0 <= beta < 1:
                yield Problem(
                    f"optimizer.betas[{index}]", beta, "is a decay factor", "write 0 <= beta < 1"
                )


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """When the state is written, where, and how much of it is kept."""

    path: str | None = None
    """Folder on the shared file system; None writes no checkpoints."""
    every: Count = 0
    """Steps between checkpoints; 0 writes only at the end and when told to stop."""
    keep: int = 3
    """Newest checkpoints that are kept."""
    verify: bool = True
    """Read every file against its checksum before resuming from it."""
    most_failures: Count = 3
    """Checkpoints in a row that cannot be written before the run ends; 0 for any."""
    start_anew: bool = False
    """Begin at step 0 where there are damaged checkpoints and none that is whole. One that is whole
    is resumed from all the same."""

    def problems(self) -> Iterator[Problem]:
        if self.every and not self.path:
            why, fix = "there is nowhere to write to", "write checkpoint.path, or 0"
            yield Problem("checkpoint.every", self.every, why, fix)
        if self.keep < LEAST_KEPT:
            why = "a damaged checkpoint needs one before it"
            yield Problem("checkpoint.keep", self.keep, why, f"write {LEAST_KEPT} or more")


@dataclass(frozen=True, kw_only=True)
class AnyRunSettings:
    """Length and watch of a run of either program."""

    steps: Positive
    """Optimizer steps from the beginning of training, resumed ones included."""
    seed: Seed = 0
    """Decides weights and order of data, on any number of GPUs."""
    print_every: Positive = 10
    slowest: Amount = 0.0
    """Times the median rank from which on a rank that holds the others up ends the run after a
    checkpoint, for its node to be left out; 0 never: it is named all the same."""
    hang_seconds: Amount = 30.0
    """Beyond three times what is usual between two layers, without any progress, after which the
    rank that hangs is named; after three times as long the run ends. 0 never."""

    def problems(self) -> Iterator[Problem]:
        if 0 < self.slowest <= 1:
            why, fix = (
                "is passed by the median itself",
                "write more than 1, as in 1.3, or 0 for never",
            )
            yield Problem("run.slowest", self.slowest, why, fix)


@dataclass(frozen=True, kw_only=True)
class RunSettings(AnyRunSettings):
    """Length and record of the run."""

    path: str | None = None
    """Folder for metrics.jsonl; None prints only."""
    peak_tflops: Amount = 0.0
    """bf16 peak of one GPU for MFU; 0 looks the GPU up."""
    timeout_minutes: Annotated[float, Bounds(0.1, 1440)] = 10.0
    """How long a collective may wait for a rank before the run ends."""
    most_skipped: Count = 10
    """Steps without a finite gradient, of the last 64, before the run ends; 0 for any."""
    loss_spike: Amount = 1.0
    """Nats above the median of the last 64 losses from which on a loss is a spike: it is reported,
    and no checkpoint is written while it lasts; 0 never."""
    most_spiked: Count = 100
    """Spikes among the last steps, twice as many, before the run ends; 0 for any."""


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """One run, complete."""

    model: ModelSettings
    data: DataSettings
    run: RunSettings
    parallel: ParallelSettings = field(default_factory=ParallelSettings)
    numerics: NumericsSettings = field(default_factory=NumericsSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)

    def problems(self) -> Iterator[Problem]:
        single = list(super().problems())
        yield from single
        if any(problem.why == OTHER_TYPE for problem in single):
            return
        for each in (self.model, self.data, self.optimizer, self.checkpoint, self.run):
            yield from each.problems()
        ways = max(self.parallel.tensor_parallel, 1)
        for name in ("heads", "sequence"):
            size = getattr(self.model, name)
            if size % ways:
                fix = choices([n for n in divisors(size) if n <= ways][-3:])
                why = f"does not divide model.{name} = {size}"
                yield Problem("parallel.tensor_parallel", ways, why, fix)
