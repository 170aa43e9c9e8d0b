"""One rank of torchtitan at full size on fake tensors; see `training.rehearse`."""

import os
from collections.abc import Iterator
from typing import Any

from training.rehearse import GRADIENTS, OPTIMIZER, WEIGHTS, Ledger, Rehearsal, fake_world, outside
from training.torchtitan import device
from training.torchtitan.settings import Settings

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

MESHES = ("build_mesh", "get_optional_mesh", "get_mesh", "get_activated_mesh")
OF_A_MESH = ("__init__", "__getitem__", "get_group", "get_local_rank", "get_coordinate", "size")


def prepare() -> None:
    """Have torchtitan build models whose values nobody needs."""
    device.choose()
    from torchtitan.distributed.parallel_dims import ParallelDims
    from torchtitan.models.common.token_dispatcher import AllToAllTokenDispatcher
    from torchtitan.protocols.module import Module
    from torchtitan.tools import utils

    outside(ParallelDims, *MESHES)
    outside(DeviceMesh, *OF_A_MESH)
    utils.get_local_device = lambda: torch.device("cpu")
    Module._init_param = lambda self, name, parameter: None
    exchange = AllToAllTokenDispatcher._dispatch_token_exchange

    def even(self: Any, tokens: Tensor, group: Any, there: list[int], here: list[int]) -> Tensor:
        # Experts get equal work: how many tokens each one gets is not a shape but a value.
        there[:] = here[:] = [tokens.shape[0] // len(here)] * len(here)
        return exchange(self, tokens, group, there, here)

    AllToAllTokenDispatcher._dispatch_token_exchange = even


def rehearse(settings: Settings, rank: int, world: int, node: int) -> Rehearsal:
    """Build one rank and do two steps; the second one has everything that a step ever has."""
    layout = settings.placed(world, node)
    prepare()
    from training.torchtitan.record import Record
    from training.torchtitan.trainer import configuration

    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank % node))
    config = configuration(settings, Record(settings.run.path), layout, cuda=False)
    config.checkpoint.enable = False
    config.dataloader = config.dataloader
    with fake_world(rank, world) as ledger:
        run = config.build()
        parameters = [p for part in run.model_parts for p in part.parameters()]
        weights = ledger.mark(iter(parameters), WEIGHTS)
        run.metrics_processor.should_log = lambda step: False
        for _ in range(2):
            run.step += 1
            ledger.begin()
            step(run, ledger, batches(settings, layout))
        gradients = ledger.mark((p.grad for p in parameters if p.grad is not None), GRADIENTS)
        state = ledger.mark(states(run), OPTIMIZER)
        return Rehearsal.of(ledger, weights, gradients, state)


def step(run: Any, ledger: Ledger, data: Iterator[Any]) -> None:
    run.train_step(data)


def states(run: Any) -> Iterator[Tensor]:
    for optimizer in run.optimizers:
        for state in optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))


def batches(settings: Settings, layout: Any) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    while True:
        tokens = torch.zeros(settings.data.micro_batch, settings.model.sequence, dtype=torch.long)
        yield {"input": tokens}, tokens.clone()
