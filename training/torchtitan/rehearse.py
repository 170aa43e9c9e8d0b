"""One rank of torchtitan at full size on fake tensors; see `training.rehearse`."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.pipelining._utils import extract_tensor_meta
from torch.distributed.tensor import DTensor, Shard

from training.ledger import GRADIENTS, OPTIMIZER, WEIGHTS, fake_world, outside, states
from training.record import Teller
from training.rehearse import Rehearsal
from training.torchtitan import device
from training.torchtitan.layout import INTERLEAVED
from training.torchtitan.settings import Settings

MESHES: Final = ("build_mesh", "get_optional_mesh", "get_mesh", "get_activated_mesh")
OF_A_MESH: Final = ("__init__", "__getitem__", "get_group", "get_local_rank", "size")
MORE: Final = 2
"""Micro-batches that are traced once a pipeline is full: they find what earlier ones left, and more
would find the same."""


def rehearse(settings: Settings, rank: int, world: int, node: int) -> Rehearsal:
    """Build one rank, and do a step with the state of the optimizer that later steps find.

    Raises:
        UserError: If the model does not lie on so many ranks.
    """
    whole = settings.placed(world, node)
    # An interleaved pipeline takes its micro-batches in whole rounds.
    interleaved = whole.schedule == INTERLEAVED
    most = MORE * whole.pipeline if interleaved else whole.pipeline - 1 + MORE
    if whole.accumulation > most:
        data = replace(settings.data, global_batch=most * whole.data_ranks * whole.micro)
        settings = replace(settings, data=data)
    layout = settings.placed(world, node)
    _prepare()
    from training.torchtitan.trainer import configuration

    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank % node))
    record = Teller(settings.run.path, rank, rank % node, print_every=1, checkpoint_every=0)
    record.speak = lambda: None  # type: ignore[method-assign] # nothing is written
    record.heart.path = None
    config = configuration(settings, record, layout, cuda=False)
    config.checkpoint.enable = False
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
        if layout.pipeline == 1:
            work = run.forward_backward_step

            def once(**given: Any) -> Tensor:
                loss = work(**given)
                ledger.passed()
                return loss

            run.forward_backward_step = once
        run.step = 1
        ledger.begin(each for part in run.model_parts for each in part.modules())
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
    from torchtitan.distributed import activation_checkpoint
    from torchtitan.distributed.parallel_dims import ParallelDims
    from torchtitan.models.common.token_dispatcher import AllToAllTokenDispatcher
    from torchtitan.protocols.module import Module
    from torchtitan.tools import utils

    from training.torchtitan.data import Tokens

    outside(ParallelDims, *MESHES)
    outside(DeviceMesh, *OF_A_MESH)
    Tokens.__init__ = lambda *_, **__: None  # type: ignore[method-assign] # nobody asks it
    utils.get_local_device = lambda: torch.device("cpu")
    Module._init_param = lambda *_: None
    # On a GPU attention's result is kept; the processor's kernel has another name.
    keep = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
    saved = activation_checkpoint._get_default_save_ops
    activation_checkpoint._get_default_save_ops = lambda: {*saved(), keep}
    exchange = AllToAllTokenDispatcher._dispatch_token_exchange

    def even(self: Any, tokens: Tensor, group: Any, there: list[int], here: list[int]) -> Tensor:
        # How many tokens each expert gets is a value, not a shape: all get the same.
        there[:] = here[:] = [tokens.shape[0] // len(here)] * len(here)
        return exchange(self, tokens, group, there, here)

    AllToAllTokenDispatcher._dispatch_token_exchange = even


def _describe_stages(run: Any, settings: Settings) -> None:
    """Tell the stages of a pipeline the shapes that their neighbours would send."""
    parallel = settings.parallel
    size = settings.data.micro_batch, settings.model.sequence // parallel.context_parallel
    dtype = torch.bfloat16 if settings.numerics.dtype == "bf16" else torch.float32
    part = size[0], size[1] // parallel.tensor_parallel, run.model_config.dim
    stream = torch.empty(part, dtype=dtype, requires_grad=True)
    if parallel.tensor_parallel > 1:  # its ranks have the tokens of the stream between them
        mesh = run.parallel_dims.get_mesh("tp")
        stream = DTensor.from_local(stream, mesh, [Shard(1)], run_check=False)
    tokens = torch.empty(size, dtype=torch.long)
    for stage in getattr(run.pp_schedule, "_stages", None) or [run.pp_schedule._stage]:
        meta = stage._user_meta
        meta.inputs = (extract_tensor_meta(tokens if stage.is_first else stream),)
        meta.outputs = (extract_tensor_meta(stream),)
        gradient = extract_tensor_meta(stream.detach())
        meta.input_grads = (None if stage.is_first else gradient,)
        meta.output_grads = (None if stage.is_last else gradient,)


def _batches(settings: Settings) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    size = (settings.data.micro_batch, settings.model.sequence)
    while True:
        yield {"input": torch.zeros(size, dtype=torch.long)}, torch.zeros(size, dtype=torch.long)
