"""What one rank of a run holds and sends, without its GPUs: fake tensors on fake process groups.

The program's own code builds its own model for one rank of the whole world and does two steps. Only
shapes are computed, so that two processor cores trace a rank of thousands in minutes, and no figure
is of what a kernel takes for itself, of fragmentation or of NCCL's buffers.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.utils._python_dispatch import _disable_current_modes

from training.ledger import GRADIENTS, OPTIMIZER, WEIGHTS, Collective, Ledger, fake_world, outside
from training.loss import Kernel
from training.mesh import Grid, Launch, Layout
from training.model import Transformer
from training.optimizer import MasterAdamW
from training.problems import UserError
from training.recipes import chosen, parser_of
from training.settings import Settings
from training.sharding import Sharded

GIB: Final = 2**30


@dataclass(frozen=True)
class Calls(Collective):
    """A kind of call of one step."""

    calls: int
    again: int
    """How often more in each micro-batch that is not traced."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What one rank held and sent in one step."""

    weights: int
    """Bytes of this rank's part, and so on."""
    gradients: int
    optimizer: int
    peak: int
    """Most bytes that were held at once."""
    parts: dict[str, int]
    """What they were of."""
    activations: int
    """Most that a forward pass left for the backward pass, of all micro-batches in flight."""
    largest: int
    """Largest single tensor that a step made and let go."""
    collectives: tuple[Calls, ...]
    """The largest first."""
    passes: int
    """Micro-batches that were traced."""
    of_passes: int
    """Micro-batches of a step."""

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        weights: int,
        gradients: int,
        optimizer: int,
        *,
        passes: int,
        of_passes: int,
    ) -> "Rehearsal":
        calls = [
            Calls(call.name, call.ranks, call.size, count, ledger.each[call])
            for call, count in ledger.collectives.items()
        ]
        return cls(
            weights=weights,
            gradients=max(gradients, ledger.waiting),
            optimizer=optimizer,
            peak=ledger.peak,
            parts=ledger.parts(),
            activations=ledger.kept,
            largest=ledger.largest,
            collectives=tuple(sorted(calls, key=lambda call: -call.size * call.calls)),
            passes=passes,
            of_passes=of_passes,
        )

    def text(self) -> str:
        """Return it for people."""
        rows = [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("activations kept", self.activations),
            ("largest temporary", self.largest),
            ("most held at once", self.peak),
            *((f"  of it {kind}", size) for kind, size in self.parts.items()),
        ]
        lines = [f"{name:32} {size:18,} bytes {size / GIB:9.2f} GiB" for name, size in rows]
        lines.append(
            f"collectives of a step with {self.passes} of its {self.of_passes} micro-batches:"
        )
        lines += [
            f"  {call.calls:6,} x {call.name:24} {call.ranks:6,} ranks {call.size:16,} bytes"
            for call in self.collectives
        ]
        return "\n".join(lines)


def reference(settings: Settings, rank: int, world: int, node: int) -> Rehearsal:
    """Build one rank of the training program, and do a step.

    Raises:
        UserError: If the model does not lie on so many ranks.
    """
    launch = Launch(rank, world, rank % node, node)
    layout = Layout.of(settings.parallel, launch)
    data = settings.data
    whole = layout.accumulation(data.global_batch, data.micro_batch)
    passes = min(whole, 2)
    settings = settings.override(
        {
            "data.global_batch": str(passes * layout.data_ranks * data.micro_batch),
            "numerics.compile": "false",
        }
    )
    outside(DeviceMesh, "__init__", "__getitem__", "get_group", "get_local_rank", "size")
    outside(Transformer, "__init__", "to")
    Sharded._draw = lambda *_: None  # type: ignore[method-assign] # no value is needed
    # Compiled, the loss of a chunk leaves its gradient and nothing between.
    Kernel.function = lambda logits, *_: (logits.new_zeros((), dtype=torch.float32), logits + 0)
    with fake_world(rank, world) as ledger:
        with _disable_current_modes():
            grid = Grid.of(layout, "cpu")
        sharded = Sharded(settings, grid, torch.device("cpu"))
        weights = ledger.mark(sharded.parameters.values(), WEIGHTS)
        optimizer = MasterAdamW(
            sharded.parameters, settings.optimizer, grid.partition, compiled=False
        )
        of_optimizer = ledger.mark(optimizer.state().values(), OPTIMIZER)
        ledger.begin(sharded.module.modules())
        size = (data.micro_batch, settings.model.sequence)
        for each in range(passes):
            sharded.boundary(reached=each == passes - 1)
            tokens = torch.zeros(size, dtype=torch.long)
            sharded.module(tokens, torch.zeros(size, dtype=torch.long), 1.0).backward()
            ledger.passed()
        gradients = ledger.mark(
            (p.grad for p in sharded.module.parameters() if p.grad is not None), GRADIENTS
        )
        optimizer.step(1e-4)
        dist.all_reduce(torch.zeros(2))
        return Rehearsal.of(
            ledger, weights, gradients, of_optimizer, passes=passes, of_passes=whole
        )


def main(words: Sequence[str], world: int, node: int, rank: int, *, as_json: bool) -> int:
    """Rehearse a recipe, and return the exit status.

    Args:
        words: As train.sbatch takes them: a recipe and its settings, after torchtitan for its own.
        world: Ranks of the job.
        node: Ranks of a node.
        rank: Which of them is rehearsed; in a pipeline the first and the last stage hold most.
        as_json: For programs.
    """
    titan = words[:1] == ["torchtitan"]
    parser = parser_of(f"training.launch rehearse{' torchtitan' * titan}")
    given = parser.parse_args(words[titan:])
    try:
        if titan:
            from training.torchtitan import recipes, rehearse

            found = rehearse.rehearse(recipes.chosen(given.recipe, given.set), rank, world, node)
        else:
            found = reference(chosen(given.recipe, given.set), rank, world, node)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{json.dumps(asdict(found)) if as_json else found.text()}\n")
    return 0
