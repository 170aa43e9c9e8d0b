"""torchtitan's trainer, told to stop by SIGTERM, and what it is built from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule
from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.optimizer import LRSchedulersContainer, default_adamw
from torchtitan.components.quantization import Float8LinearConverter
from torchtitan.config import CompileConfig, ParallelismConfig, TrainingConfig
from torchtitan.config.configs import CommConfig, DebugConfig
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC
from torchtitan.trainer import Trainer

from training.blame import Blame
from training.mesh import Launch
from training.pace import COMPUTES, DATA, OTHERS, Marks
from training.record import Teller
from training.torchtitan.checkpoint import Checkpoints
from training.torchtitan.data import NoTokenizer, Tokens
from training.torchtitan.layout import Layout
from training.torchtitan.models import spec
from training.torchtitan.record import Steps
from training.torchtitan.settings import Settings

RECOMPUTE = {"none": None, "selective": SelectiveAC.Config, "full": FullAC.Config}
FIRST_SECONDS, STEP_SECONDS = 1800, 600
"""Longest wait of a collective: while everything is compiled and connected, and after it."""
DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


class Run(Trainer):
    """A run that ends at its last step, or within two steps of SIGTERM."""

    @dataclass(kw_only=True, slots=True)
    class Config(Trainer.Config):
        """torchtitan's own, and the record."""

        record: Teller

    def __init__(self, config: Config) -> None:
        self.told = False
        self.stopped = False
        self.sums: torch.Tensor | None = None
        """Over all ranks, of the step before: who was told to stop, and where time went."""
        self.blame: Blame | None = None
        self.marks: Marks | None = None
        self.micro_steps = 0
        super().__init__(config)
        if self.parallel_dims.pp_enabled:
            self.pp_schedule.step = partial(pipeline_step, self.pp_schedule)
            if stage := getattr(self.pp_schedule, "_stage", None):
                # 1F1B: a stage has one micro-batch in flight for each that is left, itself too.
                stage.args_recv_info = Rounds(stage.num_stages - stage.stage_index)
                stage.grad_recv_info = Rounds(1)
        for part in self.sharded_parts():
            # torchtitan divides by the batch's tokens itself; as a plain sum gloo has it, too.
            part.set_force_sum_reduction_for_comms(enable=True)

    def follow(self, launch: Launch, settings: Settings) -> None:
        """Have this rank know which rank holds the others up. All ranks do so at once.

        Tensor, context and expert parallelism exchange inside of layers: of their ranks nobody can
        say which one is slow.
        """
        parallel, record = settings.parallel, self.config.record
        inside = parallel.tensor_parallel * parallel.context_parallel
        self.blame = Blame(
            launch,
            self.device,
            record.heart,
            tell=record.event,
            speaks=lambda: record.speaks,
            folder=settings.run.path,
            together=max(inside, parallel.expert_parallel),
            stages=parallel.pipeline_parallel,
            slowest=settings.run.slowest,
        )
        self.blame.watch.follow(
            block for part in self.model_parts for block in part.layers.values()
        )

    def _mark(self, kind: int, what: str) -> None:
        if self.blame:
            self.blame.watch(kind, what)

    def batch_generator(self, data_iterable: Iterable[Any]) -> Iterator[Any]:
        """Return torchtitan's batches, with a mark before and after each."""
        batches = super().batch_generator(data_iterable)
        while True:
            self._mark(COMPUTES, "what is between two passes")
            batch = next(batches)
            self._mark(DATA, "the wait for data")
            yield batch

    def sharded_parts(self) -> Iterator[FSDPModule]:
        for part in self.model_parts:
            yield from (each for each in part.modules() if isinstance(each, FSDPModule))

    def forward_backward_step(self, **given: Any) -> torch.Tensor:
        """Work on one micro-batch; replicas exchange gradients after the last one only (MiCS).

        The output layer is the exception: the loss, which computes it in chunks, reduces it in a
        call of its own, whose sum FSDP2 cannot keep beside that of the norm in the same group.
        """
        if not self.parallel_dims.pp_enabled:  # there torch's schedule does the same
            self.micro_steps += 1
            last = self.micro_steps % self.gradient_accumulation_steps == 0
            for part in self.sharded_parts():
                part.set_requires_all_reduce(last, recurse=False)
        loss = super().forward_backward_step(**given)
        self._mark(OTHERS, "the wait for gradients")
        return loss

    def stop(self, *_: object) -> None:
        """Handle SIGTERM."""
        self.told = True

    def should_continue_training(self) -> bool:
        """Return whether another step is to be done, on all ranks the same.

        The answer of the step before is read: it has arrived, so nobody waits for it.
        """
        self.checkpointer.settle()
        mine = torch.tensor([float(self.told)], device=self.device)
        if self.blame:
            self._passed(self.blame)
            row = self.blame.row(mine, writes=self.checkpointer.writes())
            mine = torch.cat((mine, row))
        if self.sums is not None:
            sums = self.sums.cpu()
            ends = self.blame is not None and self.blame.judge(self.step, sums[1:])
            self.stopped = self.stopped or bool(sums[0]) or ends
        dist.all_reduce(mine)
        self.sums = mine
        return not self.stopped and super().should_continue_training()

    def _passed(self, blame: Blame) -> None:
        """Take in the marks of the step before, so that nobody waits for the GPU.

        Those of a step with a pause say nothing of a rank.
        """
        if self.marks:
            blame.passed(self.marks)
        blame.watch(OTHERS, "the end of the step")
        marks = blame.watch.taken()
        self.marks = None if blame.heart.paused else marks
        if blame.heart.paused and blame.heart.seconds:
            blame.heart.resume()


class Rounds(dict[int, Any]):
    """What is received, by micro-batch, into so many places that are used in turn.

    PyTorch 2.13 makes a place for each micro-batch of a step, which of hundreds is more than a GPU
    has left.
    """

    def __init__(self, places: int) -> None:
        self.places = places

    def __setitem__(self, number: int, value: Any) -> None:
        if number < self.places:
            super().__setitem__(number, value)

    def __getitem__(self, number: int) -> Any:
        return super().__getitem__(number % self.places)


def pipeline_step(
    schedule: Any,
    *,
    arg_mbs: list[Any] | None,
    kwarg_mbs: list[Any],
    target_mbs: list[Any] | None,
    losses: list[Any] | None,
    loss_kwargs: dict[str, Any],
    return_outputs: bool,
) -> None:
    """Do one step of a pipeline with micro-batches that are cut already.

    torchtitan 0.3.0 gives them to `step`, which takes them from PyTorch 2.14 on; 2.13 would take
    them for arguments of the model.
    """
    for stage in getattr(schedule, "_stages", None) or [schedule._stage]:
        stage.has_backward = True
        stage.clear_runtime_states()
    schedule._step_microbatches(
        arg_mbs, kwarg_mbs, target_mbs, losses, return_outputs, loss_kwargs=loss_kwargs
    )


def configuration(settings: Settings, record: Teller, layout: Layout, *, cuda: bool) -> Run.Config:
    """Return what torchtitan is told."""
    parallel, numerics, optimizer = settings.parallel, settings.numerics, settings.optimizer
    model = spec(settings.model.family, settings.model.flavor)
    if numerics.float8:
        converter = Float8LinearConverter.Config(
            filter_fqns=["lm_head"], model_compile_enabled=numerics.compile
        )
        model.model = converter.build().convert(model.model) or model.model
    initial = settings.weights.initial and str(Path(settings.weights.initial).absolute())
    recompute = RECOMPUTE[numerics.recompute]
    # In chunks the loss gathers and reduces the output layer for every micro-batch, which a
    # pipeline has hundreds of: its last stage has room for all logits of one.
    loss = CrossEntropyLoss.Config(global_vocab_size=layout.facts["vocabulary"])
    # torchtitan's local batch is all that a pipeline works on before the next one begins.
    local = settings.data.micro_batch
    if parallel.pipeline_parallel > 1:
        local *= layout.accumulation
    return Run.Config(
        record=record,
        model_spec=model,
        hf_assets_path=initial or "",
        dump_folder=settings.run.path,
        tokenizer=NoTokenizer.Config(),
        dataloader=Tokens.Config(
            dataset_path=settings.data.path,
            vocabulary=layout.facts["vocabulary"],
            global_batch=settings.data.global_batch,
            seed=settings.run.seed,
        ),
        loss=loss if parallel.pipeline_parallel > 1 else ChunkedLossWrapper.Config(loss_fn=loss),
        optimizer=default_adamw(
            lr=optimizer.learning_rate,
            betas=optimizer.betas,
            eps=optimizer.epsilon,
            weight_decay=optimizer.weight_decay,
        ),
        lr_scheduler=LRSchedulersContainer.Config(
            warmup_steps=optimizer.warmup_steps,
            decay_type="cosine",
            min_lr_factor=optimizer.final_fraction,
        ),
        training=TrainingConfig(
            local_batch_size=local,
            global_batch_size=settings.data.global_batch,
            seq_len=settings.model.sequence,
            max_norm=optimizer.clip_norm or float("inf"),
            steps=settings.run.steps,
            mixed_precision_param=DTYPES[numerics.dtype],
            # Graphs of a whole step were not tried with any of the layouts here.
            disable_cuda_graphs=True,
        ),
        parallelism=ParallelismConfig(
            spmd_backend="partial_dtensor",
            data_parallel_replicate_degree=layout.world
            // (parallel.partition_size * parallel.pipeline_parallel),
            data_parallel_shard_degree=parallel.shard,
            tensor_parallel_degree=parallel.tensor_parallel,
            context_parallel_degree=parallel.context_parallel,
            pipeline_parallel_degree=parallel.pipeline_parallel,
            pipeline_parallel_schedule=parallel.pipeline_schedule,
            pipeline_parallel_microbatch_size=settings.data.micro_batch,
            expert_parallel_degree=parallel.expert_parallel,
        ),
        checkpoint=Checkpoints.Config(
            record=record,
            enable=True,
            folder=str(Path(settings.checkpoint.path).absolute()),
            interval=settings.checkpoint.every,
            keep_latest_k=settings.checkpoint.keep,
            initial_load_path=initial,
            initial_load_in_hf=settings.weights.initial is not None,
            last_save_model_only=False,
            async_mode="async",
        ),
        activation_checkpoint=recompute() if recompute else None,
        compile=CompileConfig(enable=numerics.compile and cuda),
        comm=CommConfig(init_timeout_seconds=FIRST_SECONDS, train_timeout_seconds=STEP_SECONDS),
        debug=DebugConfig(seed=settings.run.seed, deterministic=numerics.deterministic),
        metrics=Steps.Config(record=record, disable_color_printing=True),
    )
