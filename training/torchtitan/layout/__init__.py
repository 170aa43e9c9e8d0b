"""How a model of torchtitan may lie on the GPUs of a job: the one judgement of it.

The image has it here, and the command by a link (ultracluster/catalogue/torchtitan), so it imports
nothing of either. Ranks are numbered stage by stage; inside a stage they are (replica, shard,
context, tensor), the last running fastest (torchtitan 0.3.0, distributed/parallel_dims.py).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

MODELS: Final[Mapping[str, Mapping[str, Mapping[str, int]]]] = json.loads(
    Path(__file__).with_name("models.json").read_text(encoding="utf-8")
)
"""Models of torchtitan 0.3.0 by family and flavor (facts/torchtitan_models.py)."""
INTERLEAVED: Final = "Interleaved1F1B"
"""The schedule whose ranks have two stages each."""


class Fault(NamedTuple):
    """A value that cannot be: its setting, what was given, why not, and what to write instead."""

    field: str
    got: object
    why: str
    fix: str


def model_faults(family: str, flavor: str, sequence: int) -> Iterator[Fault]:
    """Yield why torchtitan has no such model."""
    if family not in MODELS:
        yield Fault(
            "model.family", family, "no such family is known", f"write {' or '.join(MODELS)}"
        )
    elif flavor not in MODELS[family]:
        why = f"{family} has no such flavor"
        yield Fault("model.flavor", flavor, why, f"write {' or '.join(MODELS[family])}")
    elif not (longest := MODELS[family][flavor]["longest"]) >= sequence >= 1:
        why = f"positions of {flavor} end at {longest:,}"
        yield Fault("model.sequence", sequence, why, f"write 1 to {longest}")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A model, and how it is to lie on ranks."""

    family: str
    flavor: str
    sequence: int
    partition: int
    """Consecutive ranks that hold one copy of a stage's state, tensor and context included."""
    tensor: int = 1
    context: int = 1
    pipeline: int = 1
    schedule: str = "1F1B"
    expert: int = 1
    batch: int = 0
    """Sequences of one step; 0: not known."""
    micro: int = 1
    world: int = 0
    """Ranks of the job; 0: not known."""
    node: int = 0
    """Ranks of a node; 0: not known."""

    @property
    def facts(self) -> Mapping[str, int]:
        return MODELS[self.family][self.flavor]

    @property
    def data_ranks(self) -> int:
        return self.world // (self.pipeline * self.context * self.tensor)

    @property
    def accumulation(self) -> int:
        """Micro-batches that a data rank works on in one step."""
        return self.batch // (self.data_ranks * self.micro)

    def faults(self) -> Iterator[Fault]:
        """Yield everything that cannot be; the model itself is known to be there."""
        found = [*self._group(), *self._model(), *self._ranks()]
        yield from found
        if self.world and self.batch and not found:
            yield from self._batch()

    def _group(self) -> Iterator[Fault]:
        inner = self.tensor * self.context
        if self.partition % inner:
            why = f"tensor and context parallelism are part of it, {inner} ranks"
            fix = choices(n for n in around(self.partition, inner) if n)
            yield Fault("parallel.partition_size", self.partition, why, fix)
        elif self.partition % self.expert:
            why = f"experts are shared inside a partition group of {self.partition}"
            fix = choices(nearest(self.expert, divisors(self.partition)))
            yield Fault("parallel.expert_parallel", self.expert, why, fix)
        if self.pipeline == 1 and self.schedule == INTERLEAVED:
            fix = "write 1F1B, or parallel.pipeline_parallel above 1"
            yield Fault("parallel.pipeline_schedule", self.schedule, "there is one stage", fix)

    def _model(self) -> Iterator[Fault]:
        facts = self.facts
        for name in ("heads", "key_value_heads"):
            if facts[name] % self.tensor:
                why = f"it does not divide the model's {facts[name]} {name.replace('_', ' ')}"
                fix = choices(nearest(self.tensor, divisors(facts[name])))
                yield Fault("parallel.tensor_parallel", self.tensor, why, fix)
                break
        # torchtitan gives a context rank two pieces of a sequence, so that all have equal work.
        pieces = self.tensor * (2 * self.context if self.context > 1 else 1)
        if self.sequence % pieces:
            why = f"tensor and context parallelism cut it into {pieces} pieces"
            fix = choices(n for n in around(self.sequence, pieces) if n)
            yield Fault("model.sequence", self.sequence, why, fix)
        experts = facts["experts"]
        if self.expert > 1 and (not experts or experts % self.expert):
            why = f"the model has {experts or 'no'} experts"
            fix = choices(nearest(self.expert, divisors(experts))) if experts else "write 1"
            yield Fault("parallel.expert_parallel", self.expert, why, fix)
        each = 2 if self.schedule == INTERLEAVED else 1
        if self.pipeline * each > facts["layers"]:
            why = f"it makes {self.pipeline * each} stages of {facts['layers']} layers"
            fix = f"write {facts['layers'] // each} or less"
            yield Fault("parallel.pipeline_parallel", self.pipeline, why, fix)

    def _ranks(self) -> Iterator[Fault]:
        if self.node and self.partition % self.node and self.node % self.partition:
            why = f"a group fills nodes or divides one, and a node has {self.node} ranks"
            both = {*divisors(self.node), *around(self.partition, self.node)} - {0}
            fix = choices(nearest(self.partition, sorted(both)))
            yield Fault("parallel.partition_size", self.partition, why, fix)
        elif self.world and self.world % (self.partition * self.pipeline):
            why = f"{self.world:,} ranks in {self.pipeline} stages do not divide by it"
            share = self.world // self.pipeline if self.world % self.pipeline == 0 else self.world
            fix = choices(nearest(self.partition, divisors(share)))
            yield Fault("parallel.partition_size", self.partition, why, fix)
        if self.node and self.node % self.tensor:
            why = f"a layer is shared inside a node of {self.node} ranks"
            fix = choices(nearest(self.tensor, divisors(self.node)))
            yield Fault("parallel.tensor_parallel", self.tensor, why, fix)

    def _batch(self) -> Iterator[Fault]:
        at_once = self.data_ranks * self.micro
        if self.batch % at_once:
            why = f"{self.data_ranks:,} data ranks take {self.micro} sequences at a time"
            fix = choices(n for n in around(self.batch, at_once) if n)
            yield Fault("data.global_batch", self.batch, why, fix)
        elif self.accumulation < self.pipeline or (
            self.schedule == INTERLEAVED and self.accumulation % self.pipeline
        ):
            why = f"{self.accumulation} micro-batches do not fill {self.pipeline} stages"
            fix = choices(n for n in around(self.batch, at_once * self.pipeline) if n)
            yield Fault("data.global_batch", self.batch, why, fix)


def divisors(number: int) -> list[int]:
    """Return what divides a positive number, smallest first."""
    return [n for n in range(1, number + 1) if number % n == 0]


def around(value: int, step: int) -> tuple[int, int]:
    """Return the multiples of a step below and above a value."""
    lower = value // step * step
    return lower, lower + step


def nearest(value: int, fitting: Iterable[int]) -> list[int]:
    """Return the two choices around a value that does not fit."""
    all_of_them = list(fitting)
    below, above = [n for n in all_of_them if n < value], [n for n in all_of_them if n > value]
    return [*below[-1:], *above[:1]]


def choices(values: Iterable[int]) -> str:
    return f"write {' or '.join(map(str, values))}"
