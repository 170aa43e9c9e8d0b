"""Bytes and collectives of a rank on fake tensors and fake process groups, as a ledger."""

import contextlib
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed import distributed_c10d
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

WEIGHTS, GRADIENTS, OPTIMIZER = "weights", "gradients", "optimizer"
GATHERED, ACTIVATIONS = "gathered weights", "activations and buffers"
KINDS: Final = (WEIGHTS, GRADIENTS, OPTIMIZER, GATHERED, ACTIVATIONS)
SCALAR: Final = torch.ops.aten._local_scalar_dense.default
COLLECTIVES: Final = ("c10d", "_c10d_functional")
GROWTH: Final = 1.002
"""A peak is taken apart anew when it has grown by so much: at every tensor would take minutes."""


@dataclass(frozen=True)
class Collective:
    """What several ranks do together."""

    name: str
    ranks: int
    """Ranks of the group."""
    size: int
    """Bytes of the largest tensor of it on this rank."""


@dataclass(eq=False, slots=True)
class Held:
    """What one storage holds."""

    size: int = 0
    kind: str = ACTIVATIONS


@dataclass
class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of everything that lives, by kind, and every collective that is called."""

    live: MutableMapping[Any, Held] = field(default_factory=WeakIdKeyDictionary)
    """By its storage."""
    collectives: Counter[Collective] = field(default_factory=Counter)
    each: Counter[Collective] = field(default_factory=Counter)
    """Those of the first micro-batch, which each further one repeats; none of a pipeline's."""
    held: int = 0
    peak: int = 0
    at_peak: list[tuple[Held, int]] = field(default_factory=list)
    kept: int = 0
    """Most bytes of activations that a forward pass left for the backward pass."""
    waiting: int = 0
    """Bytes of gradients that waited for the last micro-batch's."""
    groups: tuple[Any, ...] = ()
    """FSDP2's groups of weights in the step that is traced."""
    backward: bool = False
    largest: int = 0
    """Largest tensor that was made and let go in a step, gathered weights among them."""

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is SCALAR:  # no number is known, and none decides a shape here
            return 1.0 if args[0].is_floating_point() else 1
        backward = torch._C._current_graph_task_id() >= 0
        if backward and not self.backward:
            self.mark(accumulating(self.groups), GRADIENTS)
            self.mark(gathered(self.groups), GATHERED)
            self.kept = max(self.kept, self._held_of(ACTIVATIONS))
            self.waiting = self._held_of(GRADIENTS)
        self.backward = backward
        result = func(*args, **(kwargs or {}))
        if func.namespace in COLLECTIVES:
            self._note(func, args, result)
        for each in tree_leaves(result):
            if isinstance(each, Tensor):
                self.see(each)
        return result

    def see(self, tensor: Tensor) -> None:
        storage = local(tensor).untyped_storage()
        if storage not in self.live:
            self.live[storage] = held = Held()
            weakref.finalize(storage, self._gone, held)
            self._grow(held, storage.nbytes())

    def resized(self, storage: torch.UntypedStorage) -> None:
        """Note that FSDP2 filled or emptied the room of a gathered weight."""
        if held := self.live.get(storage):
            held.kind = GATHERED
            self._grow(held, storage.nbytes())

    def mark(self, tensors: Iterable[Tensor], kind: str) -> int:
        """Say what tensors are, and return their bytes."""
        total = 0
        for each in tensors:
            self.see(each)
            self.live[local(each).untyped_storage()].kind = kind
            total += local(each).numel() * each.element_size()
        return total

    def begin(self, modules: Iterable[torch.nn.Module]) -> None:
        """Forget the peak and what was sent: a step of these modules begins."""
        self.groups = tuple(
            group
            for each in modules
            if isinstance(each, FSDPModule)
            for group in each._get_fsdp_state()._fsdp_param_groups
        )
        self.collectives.clear()
        self.each.clear()
        self.kept = self.waiting = self.largest = 0
        self.peak, self.at_peak = self.held, self._sizes()

    def passed(self) -> None:
        """Note that a micro-batch is over."""
        self.each = self.each or self.collectives.copy()

    def parts(self) -> dict[str, int]:
        """Return the bytes of each kind when most was held."""
        found = dict.fromkeys(KINDS, 0)
        for held, size in self.at_peak:
            found[held.kind] += size
        return found

    def _sizes(self) -> list[tuple[Held, int]]:
        return [(held, held.size) for held in self.live.values()]

    def _grow(self, held: Held, size: int) -> None:
        self.held += size - held.size
        held.size = size
        if self.held > self.peak:
            if self.held > GROWTH * sum(size for _, size in self.at_peak):
                self.at_peak = self._sizes()
            self.peak = self.held

    def _held_of(self, kind: str) -> int:
        return sum(held.size for held in self.live.values() if held.kind == kind)

    def _gone(self, held: Held) -> None:
        self.held -= held.size
        if held.kind in {GATHERED, ACTIVATIONS}:
            self.largest = max(self.largest, held.size)

    def _note(self, func: Any, args: Any, result: Any) -> None:
        name = func._overloadpacket.__name__.strip("_")
        if name == "wait_tensor":
            return
        size = max(
            (
                each.numel() * each.element_size()
                for each in tree_leaves((args, result))
                if isinstance(each, Tensor)
            ),
            default=0,
        )
        self.collectives[Collective(name, group_size(args), size)] += 1


def local(tensor: Tensor) -> Tensor:
    return tensor._local_tensor if isinstance(tensor, DTensor) else tensor


def group_size(args: Any) -> int:
    """Return how many ranks take part, 0 where the call does not say."""
    for each in args:
        if isinstance(each, torch.ScriptObject):
            with contextlib.suppress(Exception):
                return int(dist.ProcessGroup.unbox(each).size())
        if isinstance(each, str):
            with contextlib.suppress(Exception):
                return int(distributed_c10d._resolve_process_group(each).size())  # type: ignore[attr-defined, arg-type]
    return 0


@contextlib.contextmanager
def fake_world(rank: int, world: int) -> Iterator[Ledger]:
    """Pretend to be one rank of a world; what is made inside is fake, and in the ledger.

    Device meshes are made of real tensors all the same: they are asked for ranks, not for shapes.
    """
    dist.init_process_group("fake", rank=rank, world_size=world, store=FakeStore())
    ledger = Ledger()
    resize = torch.UntypedStorage.resize_

    def noted(storage: torch.UntypedStorage, size: int) -> torch.UntypedStorage:
        resize(storage, size)
        ledger.resized(storage)
        return storage

    torch.UntypedStorage.resize_ = noted  # type: ignore[method-assign, assignment]
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), ledger:
            yield ledger
    finally:
        torch.UntypedStorage.resize_ = resize  # type: ignore[method-assign]
        dist.destroy_process_group()


def accumulating(groups: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the gradients that FSDP2 keeps between micro-batches."""
    for group in groups:
        if group._partial_reduce_output is not None:
            yield group._partial_reduce_output
        for parameter in group.fsdp_params:
            if (kept := parameter.unsharded_accumulated_grad) is not None:
                yield kept


def gathered(groups: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the whole weights that FSDP2 made room for."""
    for group in groups:
        for parameter in group.fsdp_params:
            yield from getattr(parameter, "all_gather_outputs", ())
            if (whole := getattr(parameter, "_unsharded_param", None)) is not None:
                yield whole


def outside(owner: type, *names: str) -> None:
    """Have methods of a class run on real tensors."""

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        def real(*given: Any, **named: Any) -> Any:
            with _disable_current_modes():
                return method(*given, **named)

        return real

    for name in names:
        setattr(owner, name, wrapped(getattr(owner, name)))


def states(optimizers: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors that PyTorch's optimizers keep."""
    for optimizer in optimizers:
        for state in optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))
