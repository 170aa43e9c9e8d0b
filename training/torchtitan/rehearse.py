"""One rank of torchtitan at full size on fake tensors; see `training.rehearse`."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.pipelining._utils import extract_tensor_meta

from training.ledger import (
    GRADIENTS,
    OPTIMIZER,
    WEIGHTS,
    Rehearsal,
    accumulating,
    fake_world,
    outside,
    states,
)
from training.torchtitan import device
from training.torchtitan.settings import Settings

MESHES: Final = ("build_mesh", "get_optional_mesh", "get_mesh", "get_activated_mesh")
OF_A_MESH: Final = ("__init__", "__getitem__", "get_group", "get_local_rank", "size")
MICRO_BATCHES: Final = 2
"""Traced of each stage: the second one finds what the first one leaves, and more find the same."""


def rehearse(settings: Settings, rank: int, world: int, node: int) -> Rehearsal:
    """Build one rank, and do a step with the state of the optimizer that later steps find.

    Raises:
        UserError: If the model does not lie on so many ranks.
    """
    whole = settings.placed(world, node)
    most = MICRO_BATCHES * whole.pipeline
    if whole.accumulation > most:
        data = replace(settings.data, global_batch=most * whole.data_ranks * whole.micro)
        settings = replace(settings, data=data)
    layout = settings.placed(world, node)
    _prepare()
    from training.torchtitan.data import NoTokens
    from training.torchtitan.record import Record
    from training.torchtitan.trainer import configuration

    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank % node))
    config = configuration(settings, Record(settings.run.path), layout, cuda=False)
    config.checkpoint.enable = False
    config.dataloader = NoTokens.Config()
    with fake_world(rank, world) as ledger:
        run: Any = config.build()
        run.metrics_processor.should_log = lambda _: False
        if layout.pipeline > 1:
            _describe_stages(run, settings)
        parameters = [each for part in run.model_parts for each in part.parameters()]
        weights = ledger.mark(parameters, WEIGHTS)
        for each in parameters:
            each.grad = torch.zeros_like(each)
        run.optimizers.step()
        run.optimizers.zero_grad(set_to_none=True)
        of_optimizer = ledger.mark(states(run.optimizers), OPTIMIZER)
        forward_backward = run.forward_backward_step

        def marked(**given: Any) -> Tensor:
            loss = forward_backward(**given)
            ledger.mark(accumulating(m for p in run.model_parts for m in p.modules()), GRADIENTS)
            return loss

        run.forward_backward_step = marked
        run.step = 1
        ledger.begin()
        run.train_step(_batches(settings))
        gradients = ledger.mark((p.grad for p in parameters if p.grad is not None), GRADIENTS)
        return Rehearsal.of(
            ledger,
            weights,
            gradients,
            of_optimizer,
            passes=layout.accumulation,
            of_passes=whole.accumulation,
        )


def _prepare() -> None:
    """Have torchtitan build models whose values nobody needs."""
    device.choose()
    from torchtitan.distributed.parallel_dims import ParallelDims
    from torchtitan.models.common.token_dispatcher import AllToAllTokenDispatcher
    from torchtitan.protocols.module import Module
    from torchtitan.tools import utils

    outside(ParallelDims, *MESHES)
    outside(DeviceMesh, *OF_A_MESH)
    utils.get_local_device = lambda: torch.device("cpu")
    Module._init_param = lambda *_: None
    exchange = AllToAllTokenDispatcher._dispatch_token_exchange

    def even(self: Any, tokens: Tensor, group: Any, there: list[int], here: list[int]) -> Tensor:
        # How many tokens each expert gets is a value, not a shape: all get the same.
        there[:] = here[:] = [tokens.shape[0] // len(here)] * len(here)
        return exchange(self, tokens, group, there, here)

    AllToAllTokenDispatcher._dispatch_token_exchange = even


def _describe_stages(run: Any, settings: Settings) -> None:
    """Tell the stages of a pipeline the shapes that their neighbours would send."""
    length = settings.model.sequence // settings.parallel.context_parallel
    size = (settings.data.micro_batch, length)
    dtype = torch.bfloat16 if settings.numerics.dtype == "bf16" else torch.float32
    stream = torch.empty(*size, run.model_config.dim, dtype=dtype, requires_grad=True)
    tokens = torch.empty(*size, dtype=torch.long)
    for stage in getattr(run.pp_schedule, "_stages", None) or [run.pp_schedule._stage]:
        stage._user_meta.inputs = (extract_tensor_meta(tokens if stage.is_first else stream),)
        stage._user_meta.outputs = (extract_tensor_meta(stream),)


def _batches(settings: Settings) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    size = (settings.data.micro_batch, settings.model.sequence)
    while True:
        yield {"input": torch.zeros(size, dtype=torch.long)}, torch.zeros(size, dtype=torch.long)
